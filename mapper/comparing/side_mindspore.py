"""The program that runs a model in MindSpore, in an interpreter that has it (see `side`)."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mapper.comparing import side
else:
    sys.path.insert(0, str(Path(__file__).parent))
    import side

    sys.path.pop(0)

DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d")


def _not_dropped(input: Any, p: float = 0.5, training: bool = True, seed: Any = None) -> Any:
    """Return the input, in place of `ops.dropout`; plain, since GRAPH_MODE compiles the source."""
    return input


class MindSpore:
    """What can be asked of MindSpore's side: each public method is a command."""

    def __init__(self, mindspore: Any) -> None:
        self.ms = mindspore
        self.usual: dict[str, Any] = {}
        for name in (*DROPOUTS, "rand", "randn", "rand_like", "randn_like", "standard_normal"):
            if hasattr(mindspore.ops, name):
                self.usual[name] = getattr(mindspore.ops, name)
        self.draws: list[str] = []

    def build(self, request: dict[str, Any]) -> dict[str, Any]:
        """Build the model and return its layers and entries."""
        with side.modules_of(request["directory"]):
            model = self._built(request, self.ms.PYNATIVE_MODE)
            cells = self._cells(model)
            classes = {path: type(one) for path, one in cells.items()}
            sources = side.Sources(request["directory"], _is_of_the_user)
            layers = [
                {
                    "path": path,
                    "cls": side.qualified(cls),
                    "api": _api(cls),
                    "source": sources.of(path, classes),
                    "training": cells[path].training,
                    "by_batch": getattr(cells[path], "use_batch_statistics", None) is True,
                    "is_flat": getattr(cells[path], "is_flat", None) is True,
                }
                for path, cls in classes.items()
            ]
        return {"layers": layers, "entries": self._entries(model)}

    def _cells(self, model: Any) -> dict[str, Any]:
        """Return all cells by path; one with weights that is two attributes is under both."""
        found = dict(_nested(model))
        for name in model.state_dict():  # has both names, where `name_cells` has the first alone
            above, path = model, ""
            for part in name.split(".")[:-1]:
                above = getattr(above, part, None)
                path = f"{path}.{part}" if path else part
                if isinstance(above, self.ms.nn.Cell):
                    found.setdefault(path, above)
        return found

    def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the files of the parameters in a checkpoint by name, and the names of all else."""
        recorder = side.Recorder(request["out"], self._is_tensor, self._numpy)
        found = self.ms.load_checkpoint(request["path"])
        files = {
            name: recorder.save(self._stored(value))
            for name, value in found.items()
            if self._is_tensor(value)
        }
        return {"files": files, "ignored": [name for name in found if name not in files]}

    def _stored(self, value: Any) -> Any:
        """Return a tensor as an array; bfloat16, which numpy lacks, is a field of bytes."""
        array, dtype = self._numpy(value)
        if dtype != "bfloat16":
            return array
        upper = np.asarray(array.view(np.uint32) >> 16).astype("<u2")
        return upper.view(np.dtype([("bfloat16", "<u2")]))

    def write(self, request: dict[str, Any]) -> None:
        """Write a checkpoint."""
        values = side.read_values(request["directory_of_values"], request["values"])
        listed = [{"name": n, "data": self._loaded(value)} for n, value in values.items()]
        self.ms.save_checkpoint(listed, request["path"])

    def _loaded(self, array: Any) -> Any:
        if array.dtype.names is None:
            return self.ms.Tensor(array)
        if array.dtype.names != ("bfloat16",):
            raise side.Refused(f"MindSpore has no numbers of the kind {array.dtype.names[0]}")
        wide = np.asarray(array["bfloat16"].astype(np.uint32) << 16)
        return self.ms.Tensor(wide.view(np.float32)).astype(self.ms.bfloat16)

    def _built(self, request: dict[str, Any], mode: int) -> Any:
        ms = self.ms
        ms.set_context(mode=mode)
        ms.set_seed(request["seed"])
        self._install(request["seed"], mode)
        model = side.evaluate(request["module"], request["expression"])
        if not isinstance(model, ms.nn.Cell):
            given = side.qualified(type(model))
            raise side.Refused(f"{request['expression']} is a {given}, not a mindspore.nn.Cell")
        return model

    def _entries(self, model: Any) -> list[dict[str, Any]]:
        parameter = self.ms.Parameter
        return [
            {
                "name": name,
                "shape": list(value.shape),
                "dtype": str(value.dtype).lower(),
                "identity": str(id(value)),
                "called": value.name if isinstance(value, parameter) else None,
                "trains": isinstance(value, parameter) and value.requires_grad,
            }
            for name, value in model.state_dict().items()
        ]

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Build the model anew, load the weights, and run it once; in training, also backward."""
        ms = self.ms
        is_graph = request["mode"] == "graph"
        with side.modules_of(request["directory"]):
            model = self._built(request, ms.GRAPH_MODE if is_graph else ms.PYNATIVE_MODE)
            self._load(model, request)
            if not request["as_built"]:
                model.set_train(request["train"])
            modes = {path: one.training for path, one in model.cells_and_names()}
            rates = self._without_dropout(model)
            recorder = side.Recorder(request["out"], self._is_tensor, self._numpy)
            if request["layers"]:
                self._watch(model, recorder)
            self.draws = []
            inputs, named = self._inputs(model, request)
            answer: dict[str, Any]
            try:
                if request["train"]:
                    answer = self._step(model, inputs, named, recorder, request)
                else:
                    answer = {"outputs": recorder.values(model(*inputs, **named))}
            except Exception as error:
                at = recorder.open[-1][0] if recorder.open else ""
                answer = {
                    "outputs": [],
                    "failure": {**side.described(error, request["directory"]), "path": at},
                }
        return answer | {
            "modes": modes,
            "rates": rates,
            "draws": self.draws,
            "events": recorder.events,
        }

    def _load(self, model: Any, request: dict[str, Any]) -> None:
        """Load the converted weights; what torch has no value for stays as initialised."""
        state = model.state_dict()
        values = {}
        for name, value in side.read_values(request["weights"], request["names"]).items():
            values[name] = self.ms.Tensor(value).astype(state[name].dtype)
        model.load_state_dict(values, strict=False)

    def _inputs(self, model: Any, request: dict[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Return the arguments, by position where possible: GRAPH_MODE takes few keywords."""
        values = side.read_values(request["directory_of_inputs"], request["inputs"])
        made = {name: self.ms.Tensor(value) for name, value in values.items()}
        given = [one for name, one in made.items() if name.isdecimal()]
        named = {name: one for name, one in made.items() if not name.isdecimal()}
        try:
            bound = inspect.signature(model.construct).bind(*given, **named)
        except TypeError:  # the model itself raises it, as in the user's program
            return given, named
        if bound.kwargs:
            bound.apply_defaults()
        return bound.args, bound.kwargs

    def _watch(self, model: Any, recorder: side.Recorder) -> None:
        for path, cell in model.cells_and_names():

            def enter(_: Any, args: Any, named: Any, path: str = path) -> None:
                recorder.enter(path, [*args, *named.values()])

            def leave(_: Any, __: Any, output: Any, path: str = path) -> None:
                recorder.leave(path, output)

            cell.register_forward_pre_hook(enter, with_kwargs=True)
            cell.register_forward_hook(leave)

    def _step(
        self,
        model: Any,
        inputs: Sequence[Any],
        named: dict[str, Any],
        recorder: side.Recorder,
        request: dict[str, Any],
    ) -> dict[str, Any]:
        """Go one step forward and backward, and return outputs, gradients and statistics."""
        ms = self.ms
        known = [(name, one) for name, one in model.parameters_and_names() if one.requires_grad]
        factors = [None if one is None else ms.Tensor(one) for one in self._factors(request)]

        # GRAPH_MODE takes no keywords here, and returns no None beside a gradient
        def forward(*args: Any) -> Any:
            outputs = _flat(model(*args, **named))
            loss = 0.0
            for index, one in enumerate(outputs):
                if factors[index] is not None:
                    loss = loss + (one * factors[index]).sum()
            return loss, outputs

        step = ms.value_and_grad(forward, None, [one for _, one in known], has_aux=True)
        (loss, outputs), gradients = step(*inputs)
        saved = {
            name: recorder.save(self._numpy(gradient)[0])
            for (name, _), gradient in zip(known, gradients)  # noqa: B905  (Python 3.9)
        }
        statistics = {
            name: recorder.save(self._numpy(value)[0])
            for name, value in model.state_dict().items()
            if name not in saved
        }
        places = [one["at"] for one in request["outputs"]]
        values = recorder.values(outputs)
        if len(values) == len(places):
            values = [{**one, "at": at} for one, at in zip(values, places)]  # noqa: B905
        return {
            "outputs": values,
            "gradients": saved,
            "statistics": statistics,
            "loss": float(loss.asnumpy() if self._is_tensor(loss) else loss),
        }

    def _factors(self, request: dict[str, Any]) -> list[Any]:
        """Return the factor of each output in the loss; None for those that have no gradient.

        They are made before the call, since `forward` is compiled in GRAPH_MODE.
        """
        found: list[Any] = []
        for index, one in enumerate(request["outputs"]):
            if one.get("dtype", "").startswith(("float", "bfloat")):
                factor = side.projection(request["seed"], index, tuple(one["shape"]))
                found.append(factor.astype(one["dtype"].replace("bfloat16", "float32")))
            else:
                found.append(None)
        return found

    def _without_dropout(self, model: Any) -> dict[str, float]:
        """Switch dropout off, and return the share of values that each layer would drop."""
        nn = self.ms.nn
        rates = {}
        for path, cell in model.cells_and_names():
            if isinstance(cell, (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)):
                given = getattr(cell, "p", None)
                rates[path] = float(1 - cell.keep_prob if given is None else given)
                cell.set_train(False)
            elif isinstance(cell, nn.MultiheadAttention):
                cell.dropout = 0.0
        return rates

    def _is_tensor(self, value: Any) -> bool:
        return isinstance(value, self.ms.Tensor)

    def _numpy(self, value: Any) -> tuple[Any, str]:
        dtype = str(value.dtype).lower()
        if dtype == "bfloat16":
            value = value.astype(self.ms.float32)
        return value.asnumpy(), dtype

    def _install(self, seed: int, mode: int) -> None:
        """Put functions into `mindspore.ops` that drop nothing and give torch's random numbers.

        In GRAPH_MODE numbers given so would become constants of the graph, so drawing stays there.
        """
        ops = self.ms.ops
        for name, usual in self.usual.items():
            setattr(ops, name, _not_dropped if name in DROPOUTS else usual)
        if mode == self.ms.GRAPH_MODE:
            return
        for name, usual in self.usual.items():
            if name not in DROPOUTS:
                setattr(ops, name, self._fed(name, usual, seed))

    def _fed(self, name: str, usual: Any, seed: int) -> Any:
        kind = "uniform" if name in ("rand", "rand_like") else "normal"

        def drawing(*args: Any, **kwargs: Any) -> Any:
            result = usual(*args, **kwargs)
            drawn = side.draw(seed, len(self.draws), kind, tuple(result.shape))
            self.draws.append(name)
            return self.ms.Tensor(drawn.astype("float64")).astype(result.dtype)

        return drawing


def _flat(value: Any) -> Any:
    """Return the values that `side.leaves` finds, in source that GRAPH_MODE compiles.

    Lists are added up: one that grows by `append` or `extend` silently loses the gradients there.
    """
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        found: list[Any] = []
        for one in value:
            found = found + _flat(one)
        return found
    return [] if value is None else [value]


def _nested(model: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a cell and those in it, by path."""
    yield path, model
    for name, cell in model.name_cells().items():
        if cell is not None:
            yield from _nested(cell, f"{path}.{name}" if path else name)


def _is_of_the_user(cls: type) -> bool:
    return cls.__module__.partition(".")[0] not in ("mindspore", "builtins")


def _api(cls: type) -> str:
    """Return the first class of MindSpore among a class and its ancestors, by its public name."""
    for one in cls.__mro__:
        if one.__module__.startswith("mindspore.nn."):
            return f"mindspore.nn.{one.__qualname__}"
        if one.__module__.partition(".")[0] == "mindspore":
            return side.qualified(one)
    return ""


def main() -> None:
    """Serve requests."""
    import mindspore

    # operators run asynchronously by default, and an error would be raised at a later line
    if hasattr(mindspore, "runtime") and hasattr(mindspore.runtime, "launch_blocking"):
        mindspore.runtime.launch_blocking()
    else:
        mindspore.set_context(pynative_synchronize=True)
    commands = MindSpore(mindspore)
    side.serve(
        {
            "build": commands.build,
            "run": commands.run,
            "read": commands.read,
            "write": commands.write,
        }
    )


if __name__ == "__main__":
    main()
