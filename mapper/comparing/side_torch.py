"""The program that runs a model in torch, in an interpreter that has torch (see `side`)."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mapper.comparing import side
else:
    sys.path.insert(0, str(Path(__file__).parent))
    import side

    sys.path.pop(0)

NESTED = ("state_dict", "model_state_dict", "model", "net", "module", "params", "params_ema")
"""Keys under which a checkpoint that holds more than weights may keep them."""

BYTES = {"bfloat16": "<u2", "float8_e4m3fn": "u1", "float8_e5m2": "u1"}
"""The dtypes that numpy lacks, and those of the same size as which they are passed on."""

DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "dropout_",
            "feature_alpha_dropout", "feature_dropout", "alpha_dropout_")  # fmt: skip
DRAWN = {"rand": "uniform", "randn": "normal", "rand_like": "uniform", "randn_like": "normal"}
"""Functions that draw numbers which MindSpore can be given, too, and their distribution."""

OTHER = ("bernoulli", "multinomial", "normal", "randint", "randint_like", "randperm", "poisson",
         "bernoulli_", "normal_", "uniform_", "exponential_", "random_", "log_normal_", "cauchy_",
         "geometric_", "rrelu", "rrelu_", "gumbel_softmax", "fractional_max_pool2d")  # fmt: skip


class Torch:
    """What can be asked of torch's side: each public method is a command."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.model: Any = None
        self.modes_as_built: dict[str, bool] = {}
        self.state: dict[str, Any] = {}
        self.built: dict[str, Any] = {}  # the request that built the model
        self.exact: Any = None  # the model in float64, once it was needed

    def build(self, request: dict[str, Any]) -> dict[str, Any]:
        """Build the model and return its layers and entries."""
        torch = self.torch
        with side.modules_of(request["directory"]):
            model = self._evaluated(request)
            if not isinstance(model, torch.nn.Module):
                given = side.qualified(type(model))
                raise side.Refused(f"{request['expression']} is a {given}, not a torch.nn.Module")
            self.model = model
            self.built, self.exact = request, None
            self.modes_as_built = {p: one.training for p, one in model.named_modules()}
            sources = side.Sources(request["directory"], _is_of_the_user)
            layers = self._layers(sources)
        return {"layers": layers, "entries": self._entries()}

    def _evaluated(self, request: dict[str, Any]) -> Any:
        self.torch.manual_seed(request["seed"])
        return side.evaluate(request["module"], request["expression"])

    @contextmanager
    def _of(self, request: dict[str, Any]) -> Iterator[None]:
        """Make `model` the one that the request is about: in float64, or in float32."""
        torch, usual = self.torch, self.model
        if request.get("dtype", "float32") == "float32":
            yield
            return
        torch.set_default_dtype(torch.float64)
        try:
            if self.exact is None:
                with side.modules_of(self.built["directory"]):
                    self.exact = self._evaluated(self.built).double()
            self.model = self.exact
            yield
        finally:
            torch.set_default_dtype(torch.float32)
            self.model = usual

    def _layers(self, sources: side.Sources) -> list[dict[str, Any]]:
        modules = dict(self._modules(remove_duplicate=False))
        classes = {path: type(one) for path, one in modules.items()}
        return [
            {
                "path": path,
                "cls": side.qualified(cls),
                "api": _api(cls),
                "source": sources.of(path, classes),
                "training": modules[path].training,
            }
            for path, cls in classes.items()
        ]

    def _modules(self, **kwargs: bool) -> Iterator[tuple[str, Any]]:
        """Return the model's modules by path, without those that only make a layer's weights."""
        making: tuple[str, ...] = ()
        for path, module in self.model.named_modules(**kwargs):
            if isinstance(module, self.torch.nn.utils.parametrize.ParametrizationList):
                making += (f"{path}.",)
            elif not path.startswith(making):
                yield path, module

    def _entries(self) -> list[dict[str, Any]]:
        trained = {id(one) for one in self.model.parameters() if one.requires_grad}
        return [
            {
                "name": name,
                "shape": list(value.shape),
                "dtype": str(value.dtype).replace("torch.", ""),
                "identity": str(id(value)),
                "trains": id(value) in trained,
            }
            for name, value in self.model.state_dict(keep_vars=True).items()
            if isinstance(value, self.torch.Tensor)
        ]

    def weights(self, request: dict[str, Any]) -> dict[str, Any]:
        """Set the weights that are given, or move drawn ones that would hide differences.

        Returns:
            the files of the state by name.
        """
        torch = self.torch
        state = self.model.state_dict()
        given = side.read_values(request["directory_of_given"], request["given"])
        unknown = [name for name in given if name not in state]
        if unknown:
            raise side.Refused(f"the model has no weights named {', '.join(unknown[:5])}")
        with torch.no_grad():
            for name, value in given.items():
                if tuple(value.shape) != tuple(state[name].shape):
                    shapes = f"{tuple(value.shape)}, the model's {tuple(state[name].shape)}"
                    raise side.Refused(f"{name} has shape {shapes}")
                state[name].copy_(torch.from_numpy(value))
            if request["stir"]:
                self._stir(request)
        self.state = {name: value.clone() for name, value in self.model.state_dict().items()}
        recorder = side.Recorder(request["out"], torch.is_tensor, self._numpy)
        return {
            name: recorder.save(self._numpy(value)[0])
            for name, value in self.state.items()
            if torch.is_tensor(value)
        }

    def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the files of the tensors in a checkpoint by name, and the names of all else.

        No pickled code is run.
        """
        torch = self.torch
        path = request["path"]
        is_mapped = zipfile.is_zipfile(path)  # the format before torch 1.6 is no zip file
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=is_mapped)
        ignored: list[str] = []
        while isinstance(state, dict):
            inner = [key for key in NESTED if isinstance(state.get(key), dict)]
            if len(inner) == 1:
                ignored += [str(key) for key in state if key != inner[0]]
                state = state[inner[0]]
                continue
            if any(map(torch.is_tensor, state.values())) and not inner:
                break
            keys = ", ".join(map(str, list(state)[:5]))
            raise side.Refused(f"no state of a model: it holds {keys or 'nothing'}")
        if not isinstance(state, dict):
            raise side.Refused(f"no state of a model, but a {type(state).__name__}")
        recorder = side.Recorder(request["out"], torch.is_tensor, self._numpy)
        files = {
            str(name): recorder.save(self._stored(value))
            for name, value in state.items()
            if torch.is_tensor(value)
        }
        ignored += [str(name) for name in state if str(name) not in files]
        return {"files": files, "ignored": ignored}

    def _stored(self, value: Any) -> Any:
        """Return a tensor as an array; a dtype that numpy lacks is the name of a field of bytes."""
        torch, value = self.torch, value.detach().cpu().contiguous()
        name = str(value.dtype).replace("torch.", "")
        if name in BYTES:
            whole = {"<u2": torch.int16, "u1": torch.uint8}[BYTES[name]]
            return value.view(whole).numpy().view(np.dtype([(name, BYTES[name])]))
        return value.numpy()

    def write(self, request: dict[str, Any]) -> None:
        """Write a checkpoint; arrays are mapped into memory, since they may be larger than it."""
        torch, root = self.torch, Path(request["directory_of_values"])
        values = {}
        for name, file in request["values"].items():
            array = np.load(root / file, allow_pickle=False, mmap_mode="c")
            kind = array.dtype.names
            plain = array.view(np.int16 if array.itemsize == 2 else np.uint8) if kind else array
            tensor = torch.from_numpy(np.asarray(plain))
            values[name] = tensor.view(getattr(torch, kind[0])) if kind else tensor
        torch.save(values, request["path"])

    def _stir(self, request: dict[str, Any]) -> None:
        """Move parameters whose values are all equal, and set the statistics of normalisations.

        As initialised, a zero would hide a branch and a one a factor. Statistics near those of the
        layer's own input keep the outputs of a deep network in bounds; some variances are made
        small, so that eps counts.
        """
        torch = self.torch
        random = torch.Generator().manual_seed(request["seed"])
        for one in self.model.parameters():
            if one.is_floating_point() and (one == one.flatten()[:1]).all():
                one.add_(0.2 * torch.randn(one.shape, generator=random).to(one))
        handles = []
        for module in self.model.modules():
            if torch.is_tensor(getattr(module, "running_var", None)):
                self._set_statistics(module, torch.zeros(2, len(module.running_var)), random)
                hook = self._statistics_hook(random)
                handles.append(module.register_forward_pre_hook(hook))
        if handles:
            with side.modules_of(request["directory"]), self._quiet(request["seed"], []):
                inputs, named = self._inputs(request)
                self.model.eval()
                self.model(*inputs, **named)
        for handle in handles:
            handle.remove()

    def _statistics_hook(self, random: Any) -> Any:
        """Return a hook that sets a normalisation's statistics by the input that it gets."""

        def hook(module: Any, args: tuple[Any, ...]) -> None:
            values = args[0].detach().float()
            if values.dim() < 2 or values.numel() == 0:
                return
            values = values.transpose(0, 1).flatten(1)
            both = self.torch.stack([values.mean(1), values.var(1, unbiased=False).log()])
            self._set_statistics(module, both, random)

        return hook

    def _set_statistics(self, module: Any, both: Any, random: Any) -> None:
        mean, log_variance = both
        variance = log_variance.exp().clamp(min=1e-3)
        drawn = self.torch.randn(mean.shape, generator=random)
        factor = 0.05 * 40 ** self.torch.rand(mean.shape, generator=random)
        module.running_mean.copy_(mean + 0.3 * variance.sqrt() * drawn)
        module.running_var.copy_(variance * factor)

    def _inputs(self, request: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        values = side.read_values(request["directory_of_inputs"], request["inputs"])
        made = {name: self.torch.from_numpy(value) for name, value in values.items()}
        if request.get("dtype") == "float64":
            made = {n: one.double() if one.is_floating_point() else one for n, one in made.items()}
        if request.get("nudge"):
            self._nudge(made.values(), request["nudge"])
        return (
            [one for name, one in made.items() if name.isdecimal()],
            {name: one for name, one in made.items() if not name.isdecimal()},
        )

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run the model once; in training, also one step backward.

        `dtype`: float64 instead of float32. `forced`: what layers are to return in place of what
        they compute. `nudge`: the number of a run with other roundings, which has inputs and
        weights moved by the least that float32 can, and every second time other kernels.
        """
        other = bool(request.get("nudge", 0) % 2)
        kernels = self.torch.backends.mkldnn.flags(enabled=not other)
        with self._of(request), kernels:
            return self._run(request)

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run the model that `_of` has chosen (see `run`)."""
        torch, model = self.torch, self.model
        model.load_state_dict(self.state)
        if request.get("nudge"):
            self._nudge(model.parameters(), request["nudge"])
        model.zero_grad(set_to_none=True)
        self._set_mode(request)
        modes = {path: one.training for path, one in model.named_modules()}
        recorder = side.Recorder(request["out"], torch.is_tensor, self._numpy)
        draws: list[str] = []
        with side.modules_of(request["directory"]), self._quiet(request["seed"], draws):
            inputs, named = self._inputs(request)
            self._without_dropout()
            forced = self._forced(request.get("forced"))
            handles = self._watch(recorder, forced) if request["layers"] else []
            with torch.set_grad_enabled(request["train"]):
                outputs = model(*inputs, **named)
            for handle in handles:
                handle.remove()
        answer = {
            "modes": modes,
            "outputs": recorder.values(outputs),
            "draws": draws,
            "rates": self._rates(),
        }
        if request["train"]:
            answer |= self._step(request, outputs, recorder)
        return answer | {"events": recorder.events}

    def _set_mode(self, request: dict[str, Any]) -> None:
        if not request["as_built"]:
            self.model.train(request["train"])
            return
        for path, one in self.model.named_modules():
            one.training = self.modes_as_built[path]

    def _watch(self, recorder: side.Recorder, forced: Any) -> list[Any]:
        """Record what each layer gets and returns, and make it return what is forced.

        Compiled modules (TorchScript) take no hooks.
        """
        handles = []
        for path, module in self._modules():
            if isinstance(module, self.torch.jit.ScriptModule):
                continue

            def enter(_: Any, args: Any, named: Any, path: str = path) -> None:
                recorder.enter(path, [*args, *named.values()])

            def leave(_: Any, __: Any, output: Any, path: str = path) -> Any:
                call = recorder.leave(path, output)
                return forced(path, call, output)

            handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
            handles.append(module.register_forward_hook(leave))
        return handles

    def _forced(self, request: Any) -> Any:
        """Return a function that gives what a layer is to return, by path, call and own output.

        The gradient passes through to the layer's own output.
        """
        torch = self.torch
        base: Any = torch.autograd.Function
        values = {} if request is None else {
            (path, call, at): str(Path(request["directory"]) / file)
            for path, call, at, file in request["values"]
        }  # fmt: skip

        class Given(base):  # type: ignore[misc]
            @staticmethod
            def forward(_: Any, __: Any, value: Any) -> Any:
                return value.clone()

            @staticmethod
            def backward(_: Any, gradient: Any) -> Any:
                return gradient, None

        def forced(path: str, call: int, output: Any) -> Any:
            def change(at: str, own: Any) -> Any:
                file = values.get((path, call, at))
                if file is None or not torch.is_tensor(own) or not own.is_floating_point():
                    return own
                value = torch.from_numpy(np.load(file, allow_pickle=False)).to(own)
                return Given.apply(own, value) if value.shape == own.shape else own

            return side.replaced(output, change) if values and path else None

        return forced

    def _nudge(self, values: Any, draw: int) -> None:
        """Move every float32 number to one of its two neighbours."""
        torch = self.torch
        random = torch.Generator().manual_seed(draw)
        with torch.no_grad():
            for one in values:
                if one.dtype == torch.float32:
                    signs = torch.randint(0, 2, one.shape, generator=random) * 2.0 - 1.0
                    one.copy_(torch.nextafter(one, signs * torch.inf))

    def _step(
        self, request: dict[str, Any], outputs: Any, recorder: side.Recorder
    ) -> dict[str, Any]:
        """Go one step backward from all outputs, and return files of gradients and statistics."""
        torch = self.torch
        loss: Any = 0.0
        for index, (_, one) in enumerate(side.leaves(outputs, torch.is_tensor)):
            if torch.is_tensor(one) and one.is_floating_point() and one.requires_grad:
                factor = side.projection(request["seed"], index, tuple(one.shape))
                loss = loss + (one * torch.from_numpy(factor).to(one)).sum()
        if not torch.is_tensor(loss):
            raise side.Refused("no output depends on a parameter that is trained")
        loss.backward()
        told = float(loss.detach())
        state = self.model.state_dict(keep_vars=True)
        gradients = {}
        for name, value in state.items():
            if getattr(value, "requires_grad", False):
                found = torch.zeros_like(value) if value.grad is None else value.grad
                gradients[name] = recorder.save(self._numpy(found)[0])
        statistics = {
            name: recorder.save(self._numpy(value)[0])
            for name, value in state.items()
            if torch.is_tensor(value) and name not in gradients
        }
        return {"gradients": gradients, "statistics": statistics, "loss": told}

    def _without_dropout(self) -> None:
        nn = self.torch.nn
        for module in self.model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.eval()
            elif isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
                module.dropout = 0.0

    def _rates(self) -> dict[str, float]:
        """Return the share of values that each dropout layer would drop."""
        kinds = self.torch.nn.modules.dropout._DropoutNd
        return {p: float(m.p) for p, m in self.model.named_modules() if isinstance(m, kinds)}

    def _numpy(self, value: Any) -> tuple[Any, str]:
        dtype = str(value.dtype).replace("torch.", "")
        value = value.detach()
        if dtype == "bfloat16":
            value = value.float()
        return value.cpu().numpy(), dtype

    @contextmanager
    def _quiet(self, seed: int, draws: list[str]) -> Iterator[None]:
        """Switch off dropout that is called as a function, and make random numbers repeatable.

        `draws` gets the names of the functions that drew numbers, with a `!` where MindSpore cannot
        be given the same ones.
        """
        torch = self.torch
        count = 0

        mode: Any = torch.overrides.TorchFunctionMode

        class Mode(mode):  # type: ignore[misc]
            def __torch_function__(
                self, function: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                nonlocal count
                name, kwargs = getattr(function, "__name__", ""), kwargs or {}
                if name in DROPOUTS:
                    return args[0] if args else kwargs["input"]
                result = function(*args, **kwargs)
                if name in DRAWN:
                    draws.append(name)
                    drawn = side.draw(seed, count, DRAWN[name], tuple(result.shape))
                    count += 1
                    return torch.from_numpy(drawn).to(result)
                if name in OTHER:
                    draws.append(f"{name}!")
                return result

        torch.manual_seed(seed)
        with Mode():
            yield


def _is_of_the_user(cls: type) -> bool:
    return cls.__module__.partition(".")[0] not in ("torch", "builtins", "torchvision")


def _api(cls: type) -> str:
    """Return the first class of torch among a class and its ancestors, by its public name."""
    for one in cls.__mro__:
        if one.__module__ == "torch.nn.utils.parametrize":  # it stands for the class that it is of
            continue
        if one.__module__.startswith("torch.nn.modules."):
            return f"torch.nn.{one.__qualname__}"
        if one.__module__.partition(".")[0] == "torch":
            return side.qualified(one)
    return ""


def main() -> None:
    """Serve requests."""
    import torch

    torch.set_num_threads(1)
    commands = Torch(torch)
    side.serve(
        {
            "build": commands.build,
            "weights": commands.weights,
            "run": commands.run,
            "read": commands.read,
            "write": commands.write,
        }
    )


if __name__ == "__main__":
    main()
