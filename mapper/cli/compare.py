"""`tm2ms compare`: both versions of a model run, and where they first differ, as text or JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mapper.comparing.request import Input, Interpreters, Request
    from mapper.comparing.results import Call, Comparison, Culprit, Difference, Run
    from mapper.comparing.results import Failure as SideFailure
    from mapper.weights.convert import Array

EPILOG = """\b
Examples:
  tm2ms compare before after 'models.resnet:ResNet18()' --input 4,3,32,32
  tm2ms compare old.py new.py 'Net(10)' --input 2,16:int64 --train --mode both

This command runs your code, on both sides, in a process of its own for each framework. The
interpreters are this one, unless --torch-python and --mindspore-python name others.

\b
Exit code: 0  the two agree within tolerance
           1  they differ; the first layer that does is named
           2  wrong usage, or a side does not run

Differences are in parts of the largest value of torch's output, and rounding alone makes some:
1e-5 is allowed in evaluation and 1e-4 in training, more behind more than 16 layers with weights,
by the root of their number, since errors of single layers add up like random steps.
"""

Before = Annotated[
    Path, typer.Argument(help="Directory or file with torch's version.", show_default=False)
]
After = Annotated[
    Path, typer.Argument(help="Directory or file with MindSpore's version.", show_default=False)
]
Expression = Annotated[
    str,
    typer.Argument(help="package.module:expression that builds the model.", show_default=False),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        help="An argument, drawn: 1,3,224,224 or 2,16:int64<1000; name=... for a keyword.",
        metavar="SHAPE[:DTYPE]",
    ),
]
InputFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--input-file", help="An argument from a .npy file, after those drawn.", metavar="FILE"
    ),
]
Train = Annotated[
    bool, typer.Option("--train", help="Also one step in training: statistics and gradients.")
]
AsBuilt = Annotated[
    bool,
    typer.Option("--as-built", help="Train in the modes in which the program leaves its model."),
]
Mode = Annotated[str, typer.Option("--mode", help="pynative, graph or both.", metavar="MODE")]
Tolerance = Annotated[
    float | None,
    typer.Option("--tolerance", help="What is allowed, of the largest value.", metavar="NUMBER"),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", help="Weights by torch's names.", metavar="FILE"),
]
Seed = Annotated[int, typer.Option("--seed", help="For weights and inputs.", metavar="NUMBER")]
TorchPython = Annotated[
    str | None, typer.Option("--torch-python", help="An interpreter with torch.", metavar="FILE")
]
MindSporePython = Annotated[
    str | None,
    typer.Option("--mindspore-python", help="An interpreter with MindSpore.", metavar="FILE"),
]
Format = Annotated[str, typer.Option("--output-format", help="table or json.", metavar="FORMAT")]


def command(
    before: Before,
    after: After,
    expression: Expression,
    inputs: Inputs = None,
    input_files: InputFiles = None,
    train: Train = False,
    as_built: AsBuilt = False,
    mode: Mode = "pynative",
    tolerance: Tolerance = None,
    checkpoint: Checkpoint = None,
    seed: Seed = 0,
    torch_python: TorchPython = None,
    mindspore_python: MindSporePython = None,
    output_format: Format = "table",
) -> None:
    """Run both versions of a model and show where they first differ."""
    from mapper.cli.streams import quiet_pipe
    from mapper.comparing.compare import compare
    from mapper.comparing.request import InputError, Interpreters, Request
    from mapper.comparing.results import SideError
    from mapper.weights.files import FileError

    modes = {"pynative": ("pynative",), "graph": ("graph",), "both": ("pynative", "graph")}
    if mode not in modes:
        _usage(f"--mode must be pynative, graph or both, not {mode!r}")
    if output_format not in ("table", "json"):
        _usage(f"--output-format must be table or json, not {output_format!r}")
    if tolerance is not None and not 0 <= tolerance < math.inf:
        _usage(f"--tolerance wants a number such as 1e-5, not {tolerance}")
    interpreters = _interpreters(Interpreters, torch_python, mindspore_python)
    try:
        request = Request(
            before,
            after,
            expression,
            _inputs(inputs or (), input_files or ()),
            train=train,
            as_built=as_built,
            modes=modes[mode],
            tolerance=tolerance,
            weights=None if checkpoint is None else _weights(checkpoint, interpreters),
            seed=seed,
        )
        result = compare(request, interpreters)
    except (InputError, FileError) as error:
        _usage(str(error))
    except SideError as error:
        for line in error.failure.traceback:
            typer.echo(line, err=True)
        _usage(str(error))
    with quiet_pipe():
        text = as_json(request, result) if output_format == "json" else as_text(result)
        typer.echo(text)
        raise typer.Exit(_code(result))


def _usage(message: str) -> Any:
    typer.echo(f"tm2ms: {message}", err=True)
    raise typer.Exit(2)


def _interpreters(
    cls: type[Interpreters], torch: str | None, mindspore: str | None
) -> Interpreters:
    default = cls()
    return cls(torch or default.torch, mindspore or default.mindspore)


def _weights(path: Path, interpreters: Interpreters) -> dict[str, Array]:
    from mapper.comparing.states import states
    from mapper.weights.checkpoint import without_prefix
    from mapper.weights.files import as_float32

    with states(interpreters) as files:
        found = without_prefix(files.read(path))
        # what is mapped goes with its directory
        return {name: as_float32(value).copy() for name, value in found.items()}


def _inputs(drawn: Sequence[str], files: Sequence[str]) -> tuple[Input, ...]:
    from mapper.comparing.request import parse_input, read_input

    found = [parse_input(text) for text in drawn]
    for text in files:
        name, given, path = text.partition("=")
        named = bool(given) and name.isidentifier()
        found.append(read_input(path, name) if named else read_input(text))
    return tuple(found)


def _code(result: Comparison) -> int:
    if result.failures:
        return 2
    return 0 if result.agrees else 1


# --- text -----------------------------------------------------------------------------------------


def as_text(result: Comparison) -> str:
    """Return the tables of all runs, each with its verdict."""
    blocks = ["\n".join(_run(run)) for run in result.runs]
    if result.notes:
        blocks.append("\n".join(f"note  {note}" for note in result.notes))
    return "\n\n".join(blocks)


def _run(run: Run) -> Iterator[str]:
    what = "one step in training" if run.train else "evaluation"
    yield f"{what}, {'GRAPH_MODE' if run.mode == 'graph' else 'PyNative'}"
    rows = [_row(call) for call in run.calls]
    if not rows:
        rows = [("", f"output{one.at}", *_numbers(one), _ok(one, run.tolerance))
                for one in run.outputs]  # fmt: skip
    for what, values in (("statistics", run.statistics), ("gradient", run.gradients)):
        for name, one in values:
            limit = max(run.tolerance, run.allowed.get(name, 0.0) if what == "gradient" else 0.0)
            rows.append((name, what, *_numbers(one), _ok(one, limit)))
    if rows:
        yield from _table([("layer", "", "largest", "mean", ""), *rows])
    if run.failure is not None:
        yield from (f"  {line}" for line in run.failure.traceback)
        yield f"did not run: {run.failure}"
    if run.first is not None:
        yield from _culprit(run.first)
    elif run.failure is None:
        worst = max((one.largest for one in run.outputs), default=0.0)
        yield f"agree: the output differs by at most {worst:.1e} of its largest value"
    yield from (f"note  {note}" for note in run.notes)


def _row(call: Call) -> tuple[str, ...]:
    name, cls = call.path or "(the model)", call.cls.rpartition(".")[2]
    worst = call.worst
    if worst is None:
        return name, cls, "", "", "" if call.ran else "not called in MindSpore"
    return name, cls, *_numbers(worst), "" if call.agrees else _words(worst)


def _numbers(one: Difference) -> tuple[str, str]:
    return f"{one.largest:.1e}", f"{one.mean:.1e}"


def _ok(one: Difference, tolerance: float) -> str:
    return _words(one) if one.exceeds(tolerance) else ""


def _words(one: Difference) -> str:
    is_number = one.torch_shape == one.mindspore_shape and one.same_kind
    return "differs" if is_number else str(one)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _culprit(first: Culprit) -> Iterator[str]:
    yield f"first difference: {first.path or '(the model)'}, {first.cls.rpartition('.')[2]}"
    if first.before is not None:
        yield f"  in its code ahead of the call of {first.before}"
    for message in dict.fromkeys(one.message for one in first.findings):
        yield f"  {message}"
    if first.source:
        yield f"  torch:     {first.source}"
    if first.mindspore_source:
        yield f"  MindSpore: {first.mindspore_source}"


# --- JSON -----------------------------------------------------------------------------------------


def as_json(request: Request, result: Comparison) -> str:
    """Return everything that was compared, for machines."""
    value = {
        "expression": request.expression,
        "agrees": result.agrees,
        "first": _first(result.first),
        "weights": {
            "matched": len(result.names.pairs),
            "problems": [
                {"kind": str(one.trouble), "name": one.name, "candidates": list(one.candidates),
                 "message": one.message}
                for one in result.names.problems
            ],
        },
        "runs": [_run_as_json(run) for run in result.runs],
        "notes": list(result.notes),
    }  # fmt: skip
    return json.dumps(value, indent=2, allow_nan=False)


def _run_as_json(run: Run) -> dict[str, Any]:
    return {
        "mode": run.mode,
        "train": run.train,
        "tolerance": run.tolerance,
        "agrees": run.agrees,
        "first": _first(run.first),
        "failure": _failure(run.failure),
        "layers": [
            {"path": one.path, "call": one.call, "class": one.cls, "source": one.source,
             "mindspore_class": one.mindspore_cls, "mindspore_source": one.mindspore_source,
             "called": one.ran, "agrees": one.agrees, "tolerance": one.tolerance,
             "outputs": [_difference(output) for output in one.outputs]}
            for one in run.calls
        ],
        "outputs": [_difference(one) for one in run.outputs],
        "statistics": {name: _difference(one) for name, one in run.statistics},
        "gradients": {name: _difference(one) for name, one in run.gradients},
        "allowed": dict(run.allowed),
        "notes": list(run.notes),
    }  # fmt: skip


def _difference(one: Difference) -> dict[str, Any]:
    """Return a difference; what is infinite is null, since JSON has no word for it."""
    return {
        "at": one.at,
        "largest": one.largest if math.isfinite(one.largest) else None,
        "mean": one.mean if math.isfinite(one.mean) else None,
        "scale": one.scale,
        "shapes": [list(one.torch_shape), list(one.mindspore_shape)],
        "dtypes": [one.torch_dtype, one.mindspore_dtype],
    }


def _first(first: Culprit | None) -> dict[str, Any] | None:
    if first is None:
        return None
    return {
        "path": first.path,
        "before": first.before,
        "class": first.cls,
        "source": first.source,
        "mindspore_class": first.mindspore_cls,
        "mindspore_source": first.mindspore_source,
        "findings": [{"kind": str(one.kind), "message": one.message} for one in first.findings],
    }


def _failure(failure: SideFailure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "side": failure.side,
        "message": failure.message,
        "traceback": list(failure.traceback),
    }
