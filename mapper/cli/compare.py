"""`tm2ms compare`: runs both versions of a model, and shows where they first differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapper.cli.usage import print_error, refuse

if TYPE_CHECKING:
    from mapper.comparing.lines import Context
    from mapper.comparing.request import Input, Interpreters, Request
    from mapper.comparing.results import Comparison
    from mapper.weights.convert import Array

EPILOG = """\b
Examples:
  tm2ms compare before after 'models.resnet:ResNet18()' --input 4,3,32,32
  tm2ms compare old.py new.py 'Net(10)' --input 2,16:int64 --train --mode both

This command runs your code, on both sides, in a process of its own for each framework. The
interpreters are this one, unless --torch-python and --mindspore-python name others.

\b
Exit code: 0  the two agree, within tolerance or up to rounding
           1  they differ; the first layer that does is named
           2  wrong usage, or a side does not run

Differences are in parts of the largest value of torch's output, and rounding alone makes some:
1e-5 is allowed in evaluation and 1e-4 in training. What is beyond is called rounding when torch in
float64, started from MindSpore's values at every layer, agrees with each step, and MindSpore is no
farther from torch in float64 than a small factor times torch in float32.
"""

Before = Annotated[
    Path,
    typer.Argument(
        help="Directory or file with torch's version.", metavar="BEFORE", show_default=False
    ),
]
After = Annotated[
    Path,
    typer.Argument(
        help="Directory or file with MindSpore's version.", metavar="AFTER", show_default=False
    ),
]
Expression = Annotated[
    str,
    typer.Argument(
        help="package.module:expression that builds the model.",
        metavar="EXPRESSION",
        show_default=False,
    ),
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
    typer.Option(
        "--checkpoint", help="Weights by torch's names, from any kind of file.", metavar="FILE"
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="For weights and inputs.", metavar="NUMBER")]
TorchPython = Annotated[
    str | None, typer.Option("--torch-python", help="An interpreter with torch.", metavar="FILE")
]
MindSporePython = Annotated[
    str | None,
    typer.Option("--mindspore-python", help="An interpreter with MindSpore.", metavar="FILE"),
]
Format = Annotated[
    str, typer.Option("--output-format", help="table, json or html.", metavar="FORMAT")
]
Reports = Annotated[
    list[Path] | None,
    typer.Option(
        "--report", help="Also write FILE: .html, .json or .txt; repeatable.", metavar="FILE"
    ),
]
FORMATS = ("table", "json", "html")
SUFFIXES = {".html": "html", ".json": "json", ".txt": "table"}


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
    reports: Reports = None,
) -> None:
    """Run both versions of a model and show where they first differ."""
    from mapper.cli.session import UsageError, save
    from mapper.cli.streams import quiet_pipe
    from mapper.comparing.compare import compare
    from mapper.comparing.request import InputError, Interpreters, Request
    from mapper.comparing.results import SideError
    from mapper.weights.files import FileError

    modes = {"pynative": ("pynative",), "graph": ("graph",), "both": ("pynative", "graph")}
    if mode not in modes:
        refuse(f"--mode must be pynative, graph or both, not {mode!r}")
    if output_format not in FORMATS:
        refuse(f"--output-format must be table, json or html, not {output_format!r}")
    for file in reports or ():
        if file.suffix not in SUFFIXES:
            refuse(f"{file}: a report of a comparison ends in .html, .json or .txt")
    if tolerance is not None and not 0 <= tolerance < math.inf:
        refuse(f"--tolerance wants a number such as 1e-5, not {tolerance}")
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
        refuse(str(error))
    except SideError as error:
        refuse(str(error), before=error.failure.traceback)
    rendered = _renderer(request, result)
    try:
        for file in reports or ():
            save(file, rendered(SUFFIXES[file.suffix]))
    except UsageError as error:
        refuse(str(error))
    with quiet_pipe():
        typer.echo(rendered(output_format))
        raise typer.Exit(_code(result))


def _renderer(request: Request, result: Comparison) -> Callable[[str], str]:
    """Return a function that renders the result in a format; source lines are looked up once."""
    from mapper.cli.difference_context import context_of
    from mapper.comparing.as_html import as_html
    from mapper.comparing.as_json import as_json
    from mapper.comparing.as_text import as_text

    places = request.before, request.after
    contexts: list[Context] = [context_of(*places, run.first) for run in result.runs]

    def rendered(output_format: str) -> str:
        if output_format == "table":
            return as_text(result, contexts)
        return (as_json if output_format == "json" else as_html)(request, result, contexts)

    return rendered


def _interpreters(
    cls: type[Interpreters], torch: str | None, mindspore: str | None
) -> Interpreters:
    default = cls()
    return cls(torch or default.torch, mindspore or default.mindspore)


def _weights(path: Path, interpreters: Interpreters) -> dict[str, Array]:
    from mapper.comparing.states import states
    from mapper.weights.files import as_float32

    with states(interpreters) as files:
        found = files.read(path)
        for name in found.ignored:
            print_error(f"{path}: {name} is no array among the weights: ignored")
        # copied, since the files of arrays that are mapped into memory are deleted
        return {name: as_float32(value).copy() for name, value in found.values.items()}


def _inputs(drawn: Sequence[str], files: Sequence[str]) -> tuple[Input, ...]:
    """Return the inputs of `--input` and `--input-file`; `name=` before a file is a keyword."""
    from mapper.comparing.request import parse_input, read_input

    found = [parse_input(text) for text in drawn]
    for text in files:
        name, given, path = text.partition("=")
        named = bool(given) and name.isidentifier()
        found.append(read_input(path, name) if named else read_input(text))
    return tuple(found)


def _code(result: Comparison) -> int:
    """Return the exit code of a comparison."""
    if result.failures:
        return 2
    return 0 if result.agrees else 1
