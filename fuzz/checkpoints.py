"""Converts random checkpoints by `tm2ms checkpoint`: each ends in a list or in the right file.

Run: python fuzz/checkpoints.py [COUNT] [SEED] [TREES], with an interpreter that has torch and
MindSpore; TREES is how many directories of models are taken, all by default.
A checkpoint is made from its number alone: the state of a model of `tests/whole.py`, with up to
four entries renamed, missing, extra or reshaped. The command converts it from file to file: by the
migrated model, back again by the model and the report, or by the report alone. What is right is
said by the two live models, whose map the tests of `compare` hold to both frameworks. Checked:
every entry that is not as it should be is listed and the command ends with 1 and without a file; a
file that is written has every name and value of the right one, and with --partial no other. By the
report alone it suffices that something is listed, and that no file is wrong; how often an entry is
not among what is listed is counted. Models are built once and remembered, all else is the
command's own.
Prints the counts; exits 1 when a promise is broken, or when too few checkpoints were spoilt.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from typer.testing import CliRunner  # noqa: E402

from mapper.cli.app import app  # noqa: E402
from mapper.comparing.process import Side  # noqa: E402
from mapper.comparing.states import States  # noqa: E402
from mapper.weights.convert import Array, convert  # noqa: E402
from mapper.weights.exact import match  # noqa: E402
from mapper.weights.files import read, write  # noqa: E402
from mapper.weights.namemap import NameMap  # noqa: E402
from mapper.weights.networks import Network, network  # noqa: E402
from tests.whole import DIRECTORIES, MODELS, Model  # noqa: E402

SUFFIXES = (".safetensors", ".npz")
REPORT = "by the report"
LISTED = ("missing", "extra", "ambiguous", "misshapen")


@dataclass(frozen=True)
class Way:
    """A state, how it is converted, and the file that is right.

    `counterparts` are the names of the other framework, `idle` the names that may be missing.
    """

    way: str
    known: Known
    state: Mapping[str, Array]
    right: Mapping[str, Array]
    counterparts: Mapping[str, str]
    idle: frozenset[str]
    flags: tuple[object, ...]


@dataclass(frozen=True)
class Known:
    """A model of both frameworks, and its state as each of them names it."""

    model: Model
    after: Path
    report: Path
    torch: Network
    mindspore: Network
    names: NameMap
    here: Mapping[str, Array]
    there: Mapping[str, Array]

    def ways(self, root: Path) -> Iterator[Way]:
        """Yield the ways in which the whole state is converted; a report may know too little."""
        forward = {pair.torch: pair.mindspore for pair in self.names.pairs}
        back = {new: old for old, new in forward.items()}
        counts = frozenset(drop.torch for drop in self.names.drops)
        fills = frozenset(fill.mindspore for fill in self.names.fills)
        model: tuple[object, ...] = ("--model", self.model.expression)
        yield Way("by the model", self, self.here, self.there, forward, counts | tied(self.torch),
                  model)  # fmt: skip
        zeros = {name: 0 * self.here[name] for name in counts}
        flags = (*model, "--report", self.report, "--reverse")
        yield Way("back again", self, self.there, {**self.here, **zeros}, back,
                  fills | tied(self.mindspore), flags)  # fmt: skip
        old, report = root / "whole.npz", ("--report", self.report)
        write(old, self.here)
        if tm2ms("checkpoint", old, root / "new.npz", *report)[0] == 0:
            known = {name: value for name, value in self.there.items() if name not in fills}
            yield Way(REPORT, self, self.here, known, forward, counts, report)


def tied(model: Network) -> frozenset[str]:
    """Return the names of parameters that have several."""
    names: dict[str, list[str]] = {}
    for one in model.entries:
        names.setdefault(one.identity, []).append(one.name)
    return frozenset(name for group in names.values() if len(group) > 1 for name in group)


def tm2ms(*arguments: object) -> tuple[int, list[str]]:
    """Return the exit code of the command, and the lines of its standard output."""
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout.splitlines()


def models(root: Path, trees: int) -> Iterator[Known]:
    """Migrate the models by the command, and give each of their weights values of its own."""
    python = sys.executable
    with (
        Side("torch", python, "side_torch.py") as torch,
        Side("MindSpore", python, "side_mindspore.py") as mindspore,
    ):
        for index, directory in enumerate(DIRECTORIES[:trees]):
            after, report = root / f"after{index}", root / f"report{index}.json"
            code, _ = tm2ms("migrate", directory, "--output", after, "--report", report)
            assert code == 0, directory
            for model in MODELS.values():
                if model.directory != directory:
                    continue
                module, _, expression = model.expression.partition(":")
                build = {"module": module, "expression": expression, "seed": 0}
                here = network(torch.ask("build", directory=str(directory), **build))
                there = network(mindspore.ask("build", directory=str(after), **build))
                names = match(here, there)
                assert names.is_complete, names.problems
                state = dict(_drawn(here))
                other = convert(state, names).values
                yield Known(model, after, report, here, there, names, state, other)


def _drawn(model: Network) -> Iterator[tuple[str, Array]]:
    source = np.random.default_rng(7)
    values: dict[str, Array] = {}
    for one in model.entries:
        value = np.asarray(source.standard_normal(one.shape) * 5).astype(one.dtype)
        yield one.name, values.setdefault(one.identity, value)


# --- what is done to a state ----------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One entry that is not as it was; `listed` is the name that must be told, if any must."""

    way: str
    name: str
    listed: str | None


def changes(state: dict[str, Array], case: Way, source: random.Random) -> Iterator[Change]:
    """Change up to four entries of a state, each in one way."""
    for name in source.sample(sorted(state), min(len(state), source.choice([0, 1, 1, 2, 4]))):
        way = source.choice(["renamed", "renamed", "missing", "extra", "reshaped"])
        needed = None if name in case.idle else name
        if way == "missing":
            del state[name]
            yield Change(way, name, needed)
        elif way == "reshaped":
            shapes = [one for one in _reshaped(state[name]) if one.shape != state[name].shape]
            state[name] = source.choice(shapes)
            yield Change(way, name, needed)
        elif (new := _other_name(name, case, source)) not in state:
            state[new] = state.pop(name) if way == "renamed" else state[name]
            may_be = new in case.right  # a name of the other side may be one of this, too
            yield Change(way, f"{name} -> {new}", None if may_be else new)


def _other_name(name: str, case: Way, source: random.Random) -> str:
    owner, _, last = name.rpartition(".")
    at = f"{owner}." if owner else ""
    return source.choice([
        f"{name}_", f"{name}.weight", f"other.{name}", f"{at}0.{last}", f"{owner}1.{last}",
        f"{at}{last[:-1]}", f"{at}running_{last}", name.upper(), last,
        case.counterparts.get(name, ""), source.choice(sorted(case.right)),
    ]) or f"{name}_"  # fmt: skip


def _reshaped(value: Array) -> list[Array]:
    return [value[None], np.stack([value, value]), value.reshape(-1), value.T, value.reshape(-1, 1)]


# --- one checkpoint -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """What the command printed: names that stay out of the file, and layers that may be missing."""

    code: int
    listed: frozenset[str]
    dropped: frozenset[str]
    absent: tuple[str, ...]

    def names(self, name: str, counterpart: str | None) -> bool:
        """Say whether an entry is told of, by its name on either side or by its layer."""
        is_named = {name, counterpart} & (self.listed | self.dropped)
        return bool(is_named) or name.startswith(self.absent)


def told(code: int, lines: Sequence[str]) -> Told:
    """Return what the lines of the command say."""
    kinds: dict[str, set[str]] = {}
    for line in lines:
        kind, _, words = line.partition(" ")
        kinds.setdefault(kind, set()).add(words.strip().partition(":")[0])
    listed = frozenset().union(*(kinds.get(kind, ()) for kind in LISTED))
    paths = (path.strip() for words in kinds.get("absent", ()) for path in words.split(","))
    absent = tuple(f"{path}." for path in paths if path != "…")
    return Told(code, listed, frozenset(kinds.get("dropped", ())), absent)


def broken(case: Way, number: int, root: Path, seen: Counter[str]) -> Iterator[str]:
    """Yield the promises that one checkpoint breaks."""
    source = random.Random(number)
    state = dict(case.state)
    done = list(changes(state, case, source))
    old, new = (root / f"{name}{source.choice(SUFFIXES)}" for name in ("old", "new"))
    new.unlink(missing_ok=True)
    write(old, {name: state[name] for name in source.sample(sorted(state), len(state))})
    is_partial = source.random() < 0.25
    with chdir(case.known.after):
        found = told(*tm2ms("checkpoint", old, new, *case.flags, *["--partial"] * is_partial))
    seen[f"{case.way}: {'spoilt' if done else 'as it was'}, exit {found.code}"] += 1
    seen["with --partial"] += is_partial
    for one in done:
        seen[f"entries {one.way}"] += 1
    if found.code != bool(found.listed):
        yield f"exit code {found.code} with {len(found.listed)} names listed"
    if not done and found.code:
        yield f"nothing was changed, and {found.listed} are listed"
    if new.exists() != (is_partial or not found.code):
        yield "there is a file" if new.exists() else "there is no file"
    file = read(new) if new.exists() else None
    slips = [f"not listed: {one.way} {one.name}" for one in done if one.listed
             and not found.names(one.listed, case.counterparts.get(one.listed))]  # fmt: skip
    slips += [] if file is None else [f"wrong file: {one}" for one in wrong(file, case, found)]
    if case.way != REPORT or any(one.startswith("wrong") for one in slips):
        yield from slips
    elif slips:
        seen[f"{REPORT}: not every entry is listed, exit {found.code}"] += 1


def wrong(file: Mapping[str, Array], case: Way, found: Told) -> Iterator[str]:
    """Yield in what a file is not the right one; what is listed may be missing from it."""
    for name, value in file.items():
        if name not in case.right:
            yield f"{name} is no name of it"
        elif value.dtype != case.right[name].dtype or not np.array_equal(value, case.right[name]):
            yield f"{name} has another value"
    if not found.code:
        for name in case.right.keys() - file.keys():
            if not name.startswith(found.absent):
                yield f"{name} is not there"


# --- all of them ----------------------------------------------------------------------------------


def main(count: int, seed: int, trees: int) -> int:
    """Convert so many checkpoints, print the counts, and return the exit code."""
    seen: Counter[str] = Counter()
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary).resolve()
        cases = ways(root, trees)
        for index in range(count):
            number = 1_000_000 * seed + index
            case = cases[index % len(cases)]
            for words in broken(case, number, root, seen):
                print(f"{number}, {case.known.model.expression}, {case.way}: {words}")
                failed += 1
    for name, number in sorted(seen.items()):
        print(f"{number:6} {name}")
    built = len({case.known.model.expression for case in cases})
    print(f"{count} checkpoints, {built} models, {len(cases)} ways: {failed} promises broken")
    spoilt = sum(n for name, n in seen.items() if "spoilt, exit 1" in name)
    return 1 if failed or 2 * spoilt < count else 0


def ways(root: Path, trees: int) -> list[Way]:
    """Return every model with every way in which its checkpoints are converted."""
    known = list(models(root, trees))
    built = {(one.after, one.model.expression): one.mindspore for one in known}
    States.model = lambda _, expression: built[Path.cwd(), expression]  # type: ignore[method-assign]
    return [way for one in known for way in one.ways(root)]


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:]]
    sys.exit(main(*numbers, *[500, 1, len(DIRECTORIES)][len(numbers) :]))
