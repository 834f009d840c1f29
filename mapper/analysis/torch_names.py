"""Tells whether a qualified name is torch's, and whether it is one of torch's modules."""

from __future__ import annotations

from mapper.analysis.kinds import words

_MODULES = frozenset(
    f"torch.{name}"
    for name in words("""
    _C _C._nn _dynamo amp ao autograd autograd.function autograd.functional backends
    backends.cudnn backends.mps compiler cuda cuda.amp distributed distributions fft
    functional futures fx hub jit library linalg multiprocessing nested nn nn.functional
    nn.init nn.intrinsic nn.modules nn.parallel nn.parameter nn.quantized nn.utils
    nn.utils.parametrizations nn.utils.parametrize nn.utils.rnn onnx optim
    optim.lr_scheduler overrides profiler quantization random sparse special testing utils
    utils.checkpoint utils.cpp_extension utils.data utils.data.dataset
    utils.data.distributed utils.model_zoo utils.tensorboard version
    """)
)
_LAYERS = "torch.nn.modules."


def is_torch(name: str) -> bool:
    """Say whether a qualified name is torch's own or lies inside it."""
    return name == "torch" or name.startswith("torch.")


def is_torch_module(name: str) -> bool:
    """Say whether a qualified name is one of torch's modules, not something in one.

    What stands directly in `torch.nn.modules` is a module if its name has no capital:
    `torch.nn.modules.conv`, not `torch.nn.modules.Conv2d`.
    """
    if name.startswith(_LAYERS):
        last = name.removeprefix(_LAYERS)
        return "." not in last and last.islower()
    return name == "torch" or name in _MODULES
