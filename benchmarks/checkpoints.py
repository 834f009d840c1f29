"""Weights of public models, converted and compared: `python benchmarks/checkpoints.py TREE…`.

Run by an interpreter that has both frameworks. The models of `model_list.py` whose tree is given
are migrated as `models.py` does; of those that are whole, the weights that torch draws are saved as
a `.pth` file and taken through the commands, with nothing done by hand: `tm2ms checkpoint` by the
migrated model and by the report alone, MindSpore's own loading, the way back, and
`tm2ms compare --checkpoint`. **This executes the code of the trees.**
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from model_list import MODELS, Model  # noqa: E402
from models import migrate, with_exact_tanh  # noqa: E402
from tables import Table  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from mapper.cli.app import app  # noqa: E402
from mapper.comparing.compare import ROWS  # noqa: E402
from mapper.comparing.process import Side  # noqa: E402
from mapper.comparing.request import parse_input  # noqa: E402
from mapper.weights.files import read  # noqa: E402

COUNT = "num_batches_tracked"
PROBLEMS = ("missing", "extra", "ambiguous", "misshapen")
COLUMNS = ("model", "whole", "weights", "by the model", "MindSpore loads it", "by the report",
           "and back", "compare", "reason")  # fmt: skip
PAGE = """\
# Weights of public models

Written by `python benchmarks/checkpoints.py TREE… --write docs/checkpoints.md` ({date},
{versions}). Each model is migrated by one run of the tool and not touched by hand. The weights that
torch draws, moved such that each of them counts, are saved with `torch.save` and go through the
commands.

* **by the model**: `tm2ms checkpoint old.pth new.ckpt --model …` matches every name of both sides.
* **MindSpore loads it**: `net.load_state_dict(mindspore.load_checkpoint("new.ckpt"))` has a place
  for every name, and none is left.
* **by the report**: `tm2ms checkpoint old.pth new.safetensors --report report.json` gives the same
  values under the same names; what a report cannot decide is listed, and nothing is written.
* **and back**: `tm2ms checkpoint new.ckpt back.pth --model … --report report.json --reverse` gives
  what torch's model loads, with the values that it had (counts of batches are zero).
* **compare**: `tm2ms compare before after … --checkpoint old.pth` agrees in evaluation; how far the
  outputs are apart, in parts of the largest value. `tanh (…)`: MindSpore's kernel of tanh on the
  CPU, which is an approximation, is named; with tanh in float64 in its place all agrees.

The models, how they are built and what they are given are in `benchmarks/model_list.py`, with the
commits they were taken from. `--only NAME…` runs some of them and keeps the rows of the others.

{table}

{count}
"""


def tm2ms(*arguments: object) -> tuple[int, list[str], str]:
    """Return the exit code of the command, its lines, and what it says beside."""
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout.splitlines(), done.stderr


@dataclass(frozen=True)
class Place:
    """Where a migrated model is, with the weights of torch's."""

    model: Model
    root: Path

    @property
    def expression(self) -> str:
        return self.model.expression

    def checkpoint(self, old: str, new: str, *more: object) -> tuple[str, str]:
        """Convert a file; return how many names were matched, and the first one that was not."""
        with chdir(self.root / "after"):
            code, lines, said = tm2ms("checkpoint", self.root / old, self.root / new, *more)
        listed = [one for one in lines if one.startswith(PROBLEMS)]
        matched = next((int(n) for n in re.findall(r"(\d+) names matched", said)), 0)
        if code == 0:
            return str(matched), ""
        return f"no, {len(listed)} listed", listed[0] if listed else said.splitlines()[-1]

    def values(self, file: str) -> dict[str, Any]:
        """Return the arrays of a file by name."""
        path = self.root / file
        if path.suffix == ".safetensors":
            return dict(read(path))
        if path.suffix == ".ckpt":
            found = mindspore.load_checkpoint(str(path))
            return {name: value.asnumpy() for name, value in found.items()}
        return {name: one.numpy() for name, one in torch.load(path, weights_only=True).items()}

    def load(self, script: str, version: str, file: str) -> tuple[str, str]:
        """Load a file by a framework alone, in a program of its own; return what went wrong."""
        module, _, inner = self.expression.partition(":")
        command = [sys.executable, "-c", script, module, inner, str(self.root / file)]
        done = subprocess.run(command, cwd=self.root / version, capture_output=True, text=True,
                              env={**os.environ, "GLOG_v": "4"}, check=False)  # fmt: skip
        if done.returncode == 0:
            return "yes", ""
        return "no", done.stderr.strip().splitlines()[-1]


BUILD = """
import importlib, sys
module, expression, file = sys.argv[1:]
net = eval(expression, vars(importlib.import_module(module)))
"""
MINDSPORE = f"""{BUILD}
import mindspore, numpy
values = mindspore.load_checkpoint(file)
left = sorted(net.state_dict().keys() ^ values.keys())
assert not left, f"{{len(left)}} names are on one side alone: {{left[0]}}"
net.load_state_dict(values)
for name, one in net.state_dict().items():
    assert numpy.array_equal(one.asnumpy(), values[name].asnumpy()), f"{{name}} is another"
"""
TORCH = f"""{BUILD}
import torch
net.load_state_dict(torch.load(file, weights_only=True))
"""


def save_weights(place: Place, programs: Side) -> None:
    """Save the weights that torch draws; those that are all alike are moved."""
    module, _, inner = place.expression.partition(":")
    common = {"directory": str(place.root / "before"), "module": module, "expression": inner,
              "seed": 0}  # fmt: skip
    programs.ask("build", **common)
    inputs, out = place.root / "inputs", place.root / "state"
    inputs.mkdir()
    for index, given in enumerate(place.model.inputs):
        values = parse_input(given).drawn(np.random.default_rng(0), ROWS)
        np.save(inputs / f"{index}.npy", values)
    names = {str(index): f"{index}.npy" for index in range(len(place.model.inputs))}
    files = programs.ask("weights", given={}, directory_of_given=str(out), stir=True, inputs=names,
                         directory_of_inputs=str(inputs), out=str(out), **common)  # fmt: skip
    programs.ask("write", path=str(place.root / "old.pth"), values=files,
                 directory_of_values=str(out))  # fmt: skip


def cells(place: Place) -> Iterator[tuple[str, str]]:
    """Yield what came of each column, and what is in the way."""
    model, report = ("--model", place.expression), ("--report", place.root / "report.json")
    matched, why = place.checkpoint("old.pth", "new.ckpt", *model)
    yield matched, why
    if why:
        return
    yield place.load(MINDSPORE, "after", "new.ckpt")
    done, why = place.checkpoint("old.pth", "new.safetensors", *report)
    new = place.values("new.ckpt")
    yield (done, why) if why else same(place.values("new.safetensors"), new, done)
    done, why = place.checkpoint("new.ckpt", "back.pth", *model, *report, "--reverse")
    yield (done, why) if why else back(place)
    yield compared(place)


def same(found: Mapping[str, Any], right: Mapping[str, Any], words: str) -> tuple[str, str]:
    """Return the words if all that is found is right; some of it may be missing."""
    for name, value in found.items():
        if name not in right or not np.array_equal(value, right[name]):
            return "wrong", f"{name} is not what it should be"
    return words, ""


def back(place: Place) -> tuple[str, str]:
    """Load what came back into torch's model, and hold it against what it had."""
    found, had = place.values("back.pth"), place.values("old.pth")
    kept = {name: value for name, value in found.items() if not name.endswith(COUNT)}
    words, why = same(kept, had, "")
    return (words, why) if why else place.load(TORCH, "before", "back.pth")


def compared(place: Place) -> tuple[str, str]:
    """Compare both versions; where they differ, once more with an exact tanh in MindSpore's."""
    words, why = apart(place, "after")
    if why and with_exact_tanh(place.root):
        exact, left = apart(place, "exact")
        return (words, why) if left else (f"tanh ({exact})", "")
    return words, why


def apart(place: Place, after: str) -> tuple[str, str]:
    """Compare both versions with the weights of the file; return how far they are apart."""
    inputs = [part for one in place.model.inputs for part in ("--input", one)]
    both = place.root / "before", place.root / after
    code, lines, said = tm2ms("compare", *both, place.expression, *inputs,
                              "--checkpoint", place.root / "old.pth")  # fmt: skip
    agree = [one for one in lines if one.startswith("agree")]
    if code == 0:
        far = re.findall(r"\d\.\d+e-?\d+", agree[0])[0]
        return far + (", rounding" if "rounding" in agree[0] else ""), ""
    where = next((one for one in lines if one.startswith(("first", "did not"))), said)
    return "differs", where.strip().splitlines()[-1]


def row(model: Model, tree: Path, root: Path, programs: Side) -> list[str]:
    """Migrate one model, and take its weights through the commands if it is whole."""
    migrated = migrate(model, tree, root)
    is_done = migrated.is_whole or (bool(model.taken) and not migrated.torch)
    if not is_done:
        return [model.name, "no", *["–"] * 6, migrated.reason]
    tm2ms("migrate", root / "source", "--output", root / "again", "--report", root / "report.json")
    place = Place(model, root)
    save_weights(place, programs)
    found = list(cells(place))
    weights = len(place.values("old.pth"))
    shown = [text for text, _ in found] + ["–"] * (5 - len(found))
    return [model.name, "yes", str(weights), *shown, "; ".join(why for _, why in found if why)]


def main() -> int:
    """Print the table, and return 0 if all models that are whole agree."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="models whose name has this")
    parser.add_argument(
        "--write",
        type=Path,
        help="write the table as a page, and keep other rows",
    )
    parser.add_argument("--rows", nargs="+", type=Path, default=[], metavar="PAGE",
                        help="take the rows of pages written beside this one")  # fmt: skip
    options = parser.parse_args()
    trees = {tree.resolve().name.rpartition("+")[2]: tree for tree in options.trees}
    wanted = [one for one in MODELS if one.tree in trees
              and (not options.only or any(text in one.name for text in options.only))]  # fmt: skip
    pages = [*options.rows, *([options.write] if options.write else [])]
    table = Table(COLUMNS, [one.name for one in MODELS], pages)
    print(Table(COLUMNS, []), flush=True)
    done = []
    for model in wanted:
        with (
            tempfile.TemporaryDirectory(prefix="tm2ms-") as temporary,
            Side("torch", sys.executable, "side_torch.py") as programs,
        ):
            done.append(row(model, trees[model.tree], Path(temporary), programs))
        print(table.put(done[-1]), flush=True)
        write_page(options.write, table)
    write_page(options.write, table)
    print(f"\n{count(done)}")
    return 0 if all(is_equal(one) for one in done if is_done(one)) else 1


def is_done(cells: Sequence[str]) -> bool:
    """Say whether a row's model is whole."""
    return cells[1] == "yes"


def write_page(page: Path | None, table: Table) -> None:
    """Write the page with the rows that there are, if one is wanted."""
    if page is not None:
        versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "mindspore"))
        text = PAGE.format(date=date.today(), versions=versions, table=table,
                           count=count(table.rows))  # fmt: skip
        page.write_text(text, "utf-8")


def is_equal(cells: Sequence[str]) -> bool:
    """Say whether the weights of a row's model went through all of the commands."""
    is_near = cells[-2][:1].isdigit() or cells[-2].startswith("tanh")
    return is_done(cells) and is_near and cells[4] == cells[6] == "yes"


def count(rows: Sequence[Sequence[str]]) -> str:
    """Say how many models are whole, and how many of these agree."""
    whole, agree = sum(map(is_done, rows)), sum(map(is_equal, rows))
    return f"Of {len(rows)} models {whole} are whole; {agree} of these agree in all."


if __name__ == "__main__":
    sys.exit(main())
