"""`tm2ms checkpoint`: converts weights to the names and shapes of the migrated model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapper.cli.usage import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mapper.comparing.states import States
    from mapper.weights.convert import Array, Conversion
    from mapper.weights.definitions import Definitions
    from mapper.weights.networks import Network, Shape
    from mapper.weights.sites import Built
    from mapper.weights.weight_norm import Parts

EPILOG = """\b
Examples:
  tm2ms migrate src --report report.json
  tm2ms checkpoint old.safetensors new.safetensors --report report.json
  tm2ms checkpoint old.pth new.ckpt --model 'models.resnet:ResNet18()'
  tm2ms checkpoint new.ckpt old.pth --model 'net:Net()' --report report.json --reverse

With --model the migrated model is built in a process of its own, which runs your code, and every
name and shape of both sides is accounted for. It is looked for in the working directory. With
--report nothing is run: the names are held against the classes as the report describes them, and
what these do not explain is listed; sizes that are computed are not known. On the way back
(--reverse) both may be given: the report decides whether a layer around a convolution is torch's or
the migration's.

Files of torch (.pth, .pt, .bin) and MindSpore (.ckpt) are read and written by the framework in its
own process; no pickled code is run. The new file is loaded with
net.load_state_dict(mindspore.load_checkpoint("new.ckpt")).

\b
What is printed, a line for each name:
  missing, extra, ambiguous, misshapen   it keeps the file from being complete
  joined    one weight of the two parts that weight_norm keeps
  dropped, filled                        one side alone has it, and nothing is computed with it
  absent    a class builds the layer in other places of the model
  ignored   it is no array: an epoch, an optimizer

\b
Exit code: 0  every name is matched, and the file is written
           1  names are missing, left over, ambiguous or of another shape: they are listed, and
              nothing is written unless --partial
           2  wrong usage, or a file cannot be read or written
"""

Source = Annotated[
    Path,
    typer.Argument(
        help="Weights by torch's names (--reverse: MindSpore's).", metavar="IN", show_default=False
    ),
]
Target = Annotated[
    Path, typer.Argument(help="The file to write.", metavar="OUT", show_default=False)
]
Report = Annotated[
    Path | None,
    typer.Option("--report", help="The JSON report of the migration.", metavar="FILE"),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="package.module:expression that builds the migrated model.",
        metavar="EXPRESSION",
    ),
]
Partial = Annotated[bool, typer.Option("--partial", help="Write what is matched.")]
Reverse = Annotated[bool, typer.Option("--reverse", help="From MindSpore's names to torch's.")]
TorchPython = Annotated[
    str | None, typer.Option("--torch-python", help="An interpreter with torch.", metavar="FILE")
]
MindSporePython = Annotated[
    str | None,
    typer.Option("--mindspore-python", help="An interpreter with MindSpore.", metavar="FILE"),
]


def command(
    source: Source,
    target: Target,
    report: Report = None,
    model: Model = None,
    partial: Partial = False,
    reverse: Reverse = False,
    torch_python: TorchPython = None,
    mindspore_python: MindSporePython = None,
) -> None:
    """Convert weights to the names and shapes of the migrated model."""
    from mapper.comparing.request import InputError, Interpreters
    from mapper.comparing.results import SideError
    from mapper.comparing.states import states
    from mapper.report.visible import visible
    from mapper.weights.files import FileError

    if (report is None) is (model is None) and not (reverse and report):
        refuse("give either --report FILE.json or --model 'package.module:expression'")
    if target.exists() and source.exists() and target.samefile(source):
        refuse(f"{target}: the file to write is the one to read")
    default = Interpreters()
    interpreters = Interpreters(
        torch_python or default.torch, mindspore_python or default.mindspore
    )
    try:
        with states(interpreters) as files:
            found = files.read(source)
            change = _back if reverse else _there
            done = change(found.values, report, model, files)
            is_written = done.is_complete or partial
            if is_written:
                files.write(target, done.values)
    except (InputError, FileError, OSError) as error:
        refuse(str(error))
    except SideError as error:
        refuse(str(error), before=error.failure.traceback)
    for line in _lines(done, found.ignored):
        typer.echo(visible(line))
    if done.problems and model is None:
        typer.echo("--model builds the migrated model, and decides what a report cannot", err=True)
    what = f"{len(done.values)} written to {target}" if is_written else "nothing is written"
    typer.echo(f"{len(done.matched)} names matched, {len(done.problems)} not; {what}", err=True)
    raise typer.Exit(0 if done.is_complete else 1)


def _there(
    values: Mapping[str, Array], report: Path | None, model: str | None, files: States
) -> Conversion:
    from mapper.weights.checkpoint import torch_network, without_prefix
    from mapper.weights.convert import convert
    from mapper.weights.exact import match
    from mapper.weights.files import are_equal
    from mapper.weights.static import match_report

    if model is None:
        sites, known = _reported(report)
        state = without_prefix(values, (f"{one.attribute}." for one in sites))
        return convert(state, match_report(_shapes(state), sites, known))
    migrated = files.model(model)
    state = without_prefix(values, migrated.entry)
    joined = _joined(state, migrated, files)
    same = lambda one, other: are_equal(state[one], state[other])  # noqa: E731
    names = match(torch_network(_shapes(state), migrated), migrated, values_are_same=same)
    return replace(convert(state, names), joined=joined)


def _joined(state: dict[str, Array], migrated: Network, files: States) -> tuple[Parts, ...]:
    """Join the weights in a state that weight_norm keeps in parts, and return which."""
    from mapper.weights.files import as_float32
    from mapper.weights.weight_norm import parts, whole

    found = parts(_shapes(state), migrated.entry)
    for one in found:
        both = (as_float32(state.pop(name)) for name in (one.magnitude, one.direction))
        state[one.weight] = files.kept(whole(*both))
    return found


def _back(
    values: Mapping[str, Array], report: Path | None, model: str | None, files: States
) -> Conversion:
    from mapper.weights.convert import convert
    from mapper.weights.names import NEUTRAL
    from mapper.weights.reverse import match_back, match_report_back

    if model is None:
        names = match_report_back(_shapes(values), *_reported(report))
        return convert(values, names, reverse=True)
    idle = {name for name, value in values.items()
            if (last := name.rpartition(".")[2]) in NEUTRAL and value.dtype.kind == "f"
            and bool((value == NEUTRAL[last]).all())}  # fmt: skip
    names = match_back(files.model(model), _reported(report)[0], frozenset(idle), values)
    return convert(values, names, reverse=True)


def _shapes(state: Mapping[str, Array]) -> dict[str, Shape]:
    return {name: value.shape for name, value in state.items()}


def _reported(report: Path | None) -> tuple[tuple[Built, ...], Definitions | None]:
    """Return the layers that a report says are built, and the classes that hold them."""
    from mapper.comparing.request import InputError
    from mapper.weights.definitions import definitions
    from mapper.weights.sites import sites

    if report is None:
        return (), None
    try:
        found = json.loads(report.read_bytes())
        return sites(found), definitions(found)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{report} is not a JSON report of tm2ms migrate: {error}") from error


def _lines(done: Conversion, ignored: Sequence[str]) -> Iterator[str]:
    for kind in ("missing", "extra", "ambiguous", "misshapen"):
        yield from (f"{kind:<10}{problem}" for problem in getattr(done, kind))
    for one in done.joined:
        parts = f"of {one.magnitude} and {one.direction}, as weight_norm does"
        yield f"joined    {one.weight}: {parts}"
    yield from (f"absent    {words}" for words in done.elsewhere)
    yield from (f"dropped   {name}" for name in done.dropped)
    yield from (f"filled    {name}" for name in done.filled)
    yield from (f"ignored   {name}: no array among the weights" for name in ignored)
