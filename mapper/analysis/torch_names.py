"""Tells whether a qualified name is torch's, and whether it is one of torch's modules."""

from __future__ import annotations

_MODULES = frozenset(
    (
        "torch",
        "torch.amp",
        "torch.autograd",
        "torch.autograd.function",
        "torch.backends",
        "torch.backends.cudnn",
        "torch.backends.mps",
        "torch.cuda",
        "torch.cuda.amp",
        "torch.distributed",
        "torch.distributions",
        "torch.fft",
        "torch.functional",
        "torch.futures",
        "torch.fx",
        "torch.hub",
        "torch.jit",
        "torch.library",
        "torch.linalg",
        "torch.multiprocessing",
        "torch.nested",
        "torch.nn",
        "torch.nn.functional",
        "torch.nn.init",
        "torch.nn.modules",
        "torch.nn.modules.activation",
        "torch.nn.modules.batchnorm",
        "torch.nn.modules.container",
        "torch.nn.modules.conv",
        "torch.nn.modules.dropout",
        "torch.nn.modules.linear",
        "torch.nn.modules.loss",
        "torch.nn.modules.module",
        "torch.nn.modules.normalization",
        "torch.nn.modules.padding",
        "torch.nn.modules.pooling",
        "torch.nn.modules.rnn",
        "torch.nn.modules.upsampling",
        "torch.nn.modules.utils",
        "torch.nn.parallel",
        "torch.nn.parameter",
        "torch.nn.utils",
        "torch.nn.utils.parametrizations",
        "torch.nn.utils.parametrize",
        "torch.nn.utils.rnn",
        "torch.onnx",
        "torch.optim",
        "torch.optim.lr_scheduler",
        "torch.overrides",
        "torch.profiler",
        "torch.quantization",
        "torch.random",
        "torch.sparse",
        "torch.special",
        "torch.testing",
        "torch.utils",
        "torch.utils.checkpoint",
        "torch.utils.cpp_extension",
        "torch.utils.data",
        "torch.utils.data.dataset",
        "torch.utils.data.distributed",
        "torch.utils.model_zoo",
        "torch.utils.tensorboard",
        "torch.version",
    )
)


def is_torch(name: str) -> bool:
    """Say whether a qualified name is torch's own or lies inside it."""
    return name == "torch" or name.startswith("torch.")


def is_torch_module(name: str) -> bool:
    """Say whether a qualified name is one of torch's modules, not something in one."""
    return name in _MODULES
