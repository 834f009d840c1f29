"""Classes of public files, executed: `python benchmarks/classes.py TREE… --keep DIR`.

A tree is a checkout. It is migrated once; of each file that the report calls whole, every public
class that derives from torch's Module is built with its defaults, with values read off its callers
or off the larger models that build it, or with drawn ones; inputs that torch accepts are found; and
both versions run with the same weights, as by `tm2ms compare`: in evaluation and one step of
training, in PyNative and GRAPH_MODE. **This executes the code of the trees.** What is done is kept
in DIR, so that a run may go on where another stopped. Exits with 1 if a class is different.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from inventory import line  # noqa: E402
from models import TANH, said, with_exact_tanh  # noqa: E402

from mapper.comparing.compare import Frameworks  # noqa: E402
from mapper.comparing.request import InputError, Interpreters, Request, parse_input  # noqa: E402
from mapper.comparing.results import Comparison, Run, SideError  # noqa: E402

FINDING = Path(__file__).with_name("finding.py")
SEARCH = 1800  # seconds that a tree's classes are looked for
ANSWER = 240.0  # seconds that one framework may take for one request
OFTEN = 30  # classes after which the programs start anew: what they hold adds up
OWN_DRAWS = ("cannot be given to a model in GRAPH_MODE", "MindSpore cannot be given the same")


class Kind(StrEnum):
    """What executing a class came to; the words are columns of the table."""

    EQUAL = "equal"
    ROUNDING = "rounding"
    TANH = "tanh"
    RANDOM = "random"
    RAISES = "raises"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A class that was built and run, and how its two versions compare."""

    file: str
    cls: str
    expression: str
    inputs: list[str]
    mode: str
    kind: Kind
    words: str
    seconds: float


WORST = (Kind.DIFFERENT, Kind.RAISES, Kind.RANDOM, Kind.TANH, Kind.ROUNDING, Kind.EQUAL)


def judged(comparison: Comparison) -> tuple[Kind, str]:
    """Return what a comparison came to, and where and why it is not equal.

    A difference in one run counts whatever the others did.
    """
    kinds = [(_kind(run), run) for run in comparison.runs]
    kind, run = min(kinds, key=lambda one: WORST.index(one[0]))
    return (kind, "") if kind is Kind.EQUAL else (kind, f"{run.mode}, {_step(run)}: {_words(run)}")


def combined(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict of a class; numbers drawn in GRAPH_MODE say nothing of it."""
    every = list(verdicts)
    counted = [one for one in every if one.kind is not Kind.RANDOM or one.mode != "graph"]
    return min(counted or every, key=lambda one: WORST.index(one.kind))


def _kind(run: Run) -> Kind:
    if run.failure is not None:
        return Kind.RAISES
    if any(words in note for note in run.notes for words in OWN_DRAWS):
        return Kind.RANDOM
    if run.first is not None:
        return Kind.DIFFERENT
    return Kind.EQUAL if run.rounding is None else Kind.ROUNDING


def _step(run: Run) -> str:
    return "training" if run.train else "evaluation"


def _words(run: Run) -> str:
    if run.failure is not None:
        return said(str(run.failure), run.failure.traceback)
    if run.first is not None and run.first.findings:
        return str(run.first)
    return "; ".join(run.notes) if run.rounding is None else str(run.rounding)


# --- one tree -------------------------------------------------------------------------------------


class Tree:
    """A checkout, and what is known of it in the directory that is kept."""

    def __init__(self, source: Path, keep: Path) -> None:
        self.source = source.resolve()
        self.name = self.source.name.replace("+", "/", 1)
        self.keep = (keep / self.source.name).resolve()
        self.keep.mkdir(parents=True, exist_ok=True)
        self.stubs = self.keep / "stubs"

    def migrate(self) -> None:
        """Write the migrated tree and its report, if they are not there."""
        report = self.keep / "report.json"
        if report.exists():
            return
        command = [sys.executable, "-m", "mapper", "migrate", "-q", "-j", "1", "--exit-zero"]
        places = ["--output", str(self.keep / "after"), "--report", str(report)]
        subprocess.run(
            [*command, *places, "."],
            cwd=self.source,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )

    def files(self) -> tuple[list[str], list[str]]:
        """Return the Python files that are whole, and others that define modules."""
        report = json.loads((self.keep / "report.json").read_text("utf-8"))
        python = [one for one in report["files"] if one["path"].endswith(".py") and one["sites"]]
        modules = [one for one in python
                   if any(site["api"] == "torch.nn.Module" for site in one["sites"])]  # fmt: skip
        whole = [one["path"] for one in python if one["whole"]]
        return whole, [one["path"] for one in modules if not one["whole"]]

    def find(self, python: str) -> None:
        """Find how the classes are built and called, if it is not known."""
        kept = self.keep / "found.jsonl"
        if kept.exists():
            return
        files, others = self.files()
        request = {"tree": str(self.source), "files": files, "others": others,
                   "stubs": str(self.stubs)}  # fmt: skip
        part = kept.with_suffix(".part")
        with part.open("w") as out, (self.keep / "found.log").open("w") as log:
            subprocess.run(
                [python, str(FINDING)],
                input=json.dumps(request) + "\n",
                stdout=out,
                stderr=log,
                text=True,
                timeout=SEARCH,
                check=False,
            )
        part.rename(kept)

    def found(self) -> list[dict[str, Any]]:
        """Return the classes with how they are built, or why not."""
        lines = (self.keep / "found.jsonl").read_text("utf-8").splitlines()
        return [one for one in map(json.loads, lines) if "file" in one]

    def known(self) -> dict[tuple[str, str], dict[str, Verdict]]:
        """Return the verdicts by file and class, and by mode."""
        kept = self.keep / "verdicts.jsonl"
        found: dict[tuple[str, str], dict[str, Verdict]] = {}
        for text in kept.read_text("utf-8").splitlines() if kept.exists() else ():
            values = json.loads(text)
            one = Verdict(**{**values, "kind": Kind(values["kind"])})
            found.setdefault((one.file, one.cls), {})[one.mode] = one
        return found

    def verdicts(self) -> list[Verdict]:
        """Return what the classes came to that were run, in all modes together."""
        return [combined(modes.values()) for modes in self.known().values()]

    def put(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        with (self.keep / "verdicts.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(verdict)) + "\n")

    def exact(self) -> Path | None:
        """Return the migrated tree with tanh in float64, if it has any."""
        path = self.keep / "exact"
        if not path.exists():
            with_exact_tanh(self.keep)
            (self.stubs / "exact_tanh.py").write_text(TANH, "utf-8")
        return path


class Judge:
    """Runs both versions of the classes of one tree, in programs that serve many of them."""

    def __init__(self, tree: Tree, interpreters: Interpreters, mode: str) -> None:
        self.tree, self.interpreters, self.mode = tree, interpreters, mode
        self.stack = ExitStack()
        self.frameworks: Frameworks | None = None
        self.count = 0

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def judge(self, found: dict[str, Any]) -> Verdict:
        """Return what executing a class came to."""
        start = time.monotonic()
        kind, words = self._compared(found, self.tree.keep / "after")
        if kind is Kind.DIFFERENT and (exact := self.tree.exact()):
            again, _ = self._compared(found, exact)
            if again in (Kind.EQUAL, Kind.ROUNDING):
                kind = Kind.TANH
        seconds = round(time.monotonic() - start, 1)
        names = (found["file"], found["class"], found["expression"], found["inputs"])
        return Verdict(*names, self.mode, kind, words, seconds)

    def _compared(self, found: dict[str, Any], after: Path) -> tuple[Kind, str]:
        root = Path(found["root"])
        request = Request(
            root,
            after / root.relative_to(self.tree.source),
            f"{found['module']}:{found['expression']}",
            tuple(map(parse_input, found["inputs"])),
            train=found["trains"],
            modes=(self.mode,),
        )
        try:
            comparison = self._running().compare(request)
        except SideError as error:
            self._stop()
            return Kind.RAISES, said(str(error.failure), error.failure.traceback)
        except InputError as error:
            return Kind.RAISES, str(error)
        if any(re.search("ended with|no answer", str(one)) for one in comparison.failures):
            self._stop()
        return judged(comparison)

    def _running(self) -> Frameworks:
        self.count += 1
        if self.count % OFTEN == 0:
            self._stop()
        if self.frameworks is None:
            self.frameworks = self.stack.enter_context(Frameworks(self.interpreters, ANSWER))
        return self.frameworks

    def _stop(self) -> None:
        self.stack.close()
        self.frameworks = None


# --- the page -------------------------------------------------------------------------------------

PAGE = """\
# Classes of public files, executed

Written by `python benchmarks/classes.py TREE… --keep DIR --write docs/classes.md` ({date},
{versions}). Each repository is migrated by one run of the tool and
not touched by hand. Of the files that the report calls whole, every public class that derives from
torch's Module is built with its defaults, with values read off its callers or off the models that
build it, or with drawn ones, and is called with inputs that torch accepts. Both versions then run
with the same weights, in evaluation and in one step of training, in {modes}:
outputs, the outputs of all layers, running statistics and gradients of parameters are compared as
`tm2ms compare` does.{graph}

`equal`: within 1e-5 in evaluation and 1e-4 in training. `rounding`: beyond that, and shown to be
float32's own ([compare.md](compare.md)). `tanh`: the same once MindSpore's tanh on the CPU, which
is an approximation, runs in float64. `random`: torch draws numbers that MindSpore cannot be given.
`raises`: MindSpore refuses. `different`: none of these, which must be 0. *files whole*: those that
define such a class; *files run*: of which at least one class was run. Packages that are not
installed are stubs on both sides.

{summary}

{table}
"""

COLUMNS = ("repository", "files whole", "files run", "classes", "run", *Kind)


def summary(trees: Sequence[Tree]) -> str:
    """Return the figures that the marks are about."""
    every = [one for tree in trees for one in tree.verdicts()]
    kinds = Counter(one.kind for one in every)
    files = sum(len({one.file for one in tree.verdicts()}) for tree in trees)
    repositories = sum(bool(tree.verdicts()) for tree in trees)
    agree = sum(kinds[one] for one in (Kind.EQUAL, Kind.ROUNDING, Kind.TANH))
    share = agree / max(len(every), 1)
    return (
        f"{len(every)} classes of {files} files of {repositories} repositories were run: "
        f"{kinds[Kind.DIFFERENT]} silently different, {share:.1%} compute torch's numbers "
        f"({kinds[Kind.EQUAL]} equal, {kinds[Kind.ROUNDING]} up to rounding, "
        f"{kinds[Kind.TANH]} up to tanh)."
    )


def table(trees: Sequence[Tree]) -> str:
    """Return a line for each repository."""
    total: Counter[str] = Counter()
    rows = [line(COLUMNS), line("---" for _ in COLUMNS)]
    for tree in sorted(trees, key=lambda one: one.name.lower()):
        verdicts = tree.verdicts()
        counts = Counter[str](one.kind for one in verdicts)
        counts["files whole"] = len({one["file"] for one in tree.found()})
        counts["files run"] = len({one.file for one in verdicts})
        counts["classes"] = sum(bool(one["class"]) for one in tree.found())
        counts["run"] = len(verdicts)
        if counts["files whole"]:
            rows.append(line([tree.name, *(counts[one] for one in COLUMNS[1:])]))
            total.update(counts)
    rows.append(line(["**all**", *(total[one] for one in COLUMNS[1:])]))
    return "\n".join(rows)


def remarks(trees: Sequence[Tree]) -> Iterator[str]:
    """Yield what was not equal and why, and what was not built."""
    for kind in (Kind.DIFFERENT, Kind.RAISES, Kind.TANH, Kind.RANDOM):
        lines = [f"* {tree.name} `{one.file}` `{one.cls}`: {_short(one.words)}"
                 for tree in trees for one in tree.verdicts() if one.kind is kind]  # fmt: skip
        if lines:
            yield "\n".join([f"\n## {kind.capitalize()}\n", *lines])
    lines = [f"* {tree.name} `{one['file']}` `{one['class']}`: {_short(one['reason'])}"
             for tree in trees for one in tree.found() if "reason" in one]  # fmt: skip
    if lines:
        yield "\n".join(["\n## Not built\n", *lines])


def _short(text: str) -> str:
    words = " ".join(text.split())
    words = re.sub(r"(/[\w.+-]+)+/", "", words).replace("|", "\\|")
    return words if len(words) <= 200 else words[:200] + "…"


def page(trees: Sequence[Tree], modes: Sequence[str]) -> str:
    """Return the whole page."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "mindspore"))
    named = {"pynative": "PyNative", "graph": "GRAPH_MODE"}
    known = [modes for tree in trees for modes in tree.known().values()]
    lacking = sum("graph" not in one for one in known)
    text = PAGE.format(
        graph=f" {lacking} of the {len(known)} ran in PyNative alone." if lacking else "",
        date=date.today(),
        versions=versions,
        modes=" and ".join(named[one] for one in modes),
        summary=summary(trees),
        table=table(trees),
    )
    return "\n".join([text.rstrip("\n"), *remarks(trees)]) + "\n"


# --- the command ----------------------------------------------------------------------------------


def execute(tree: Tree, options: argparse.Namespace) -> None:
    """Run the classes of a tree whose verdict is not known."""
    tree.migrate()
    tree.find(options.torch)
    paths = [str(tree.stubs), *filter(None, [options.path])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    interpreters = Interpreters(options.torch, options.mindspore)
    for mode in options.modes:
        known = tree.known()
        wanted = [one for one in tree.found() if "expression" in one and chosen(one, options)
                  and mode not in known.get((one["file"], one["class"]), ())]  # fmt: skip
        with Judge(tree, interpreters, mode) as judge:
            for one in sorted(wanted, key=lambda one: one["weights"]):
                verdict = judge.judge(one)
                tree.put(verdict)
                words = f"{tree.name} {one['file']} {one['class']}: {verdict.kind} {verdict.words}"
                print(words, f"({verdict.seconds} s, {mode})", file=sys.stderr, flush=True)


def chosen(found: dict[str, Any], options: argparse.Namespace) -> bool:
    """Say whether a class is wanted."""
    name = f"{found['file']} {found['class']}"
    is_named = not options.only or any(text in name for text in options.only)
    return is_named and found["weights"] <= options.most


def main() -> int:
    """Run what is not known yet, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--keep", type=Path, required=True, help="what is done is kept here")
    parser.add_argument("--write", type=Path, help="write the page here instead of printing it")
    parser.add_argument("--page", action="store_true", help="run nothing more")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="classes whose name has this")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="of weights of a class")
    parser.add_argument("--modes", nargs="+", default=["pynative", "graph"])
    parser.add_argument("--torch", default=sys.executable, help="the Python that has torch")
    parser.add_argument("--mindspore", default=sys.executable, help="the Python with MindSpore")
    options = parser.parse_args()
    options.path = os.environ.get("PYTHONPATH", "")
    trees = [Tree(one, options.keep) for one in options.trees]
    for tree in trees:
        if not options.page:
            execute(tree, options)
    trees = [one for one in trees if (one.keep / "found.jsonl").exists()]
    text = page(trees, options.modes)
    if options.write:
        options.write.write_text(text, "utf-8")
    else:
        print(text)
    return int(any(v.kind is Kind.DIFFERENT for tree in trees for v in tree.verdicts()))


if __name__ == "__main__":
    sys.exit(main())
