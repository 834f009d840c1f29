"""Sampled proofs, executed: `python benchmarks/drawn.py [--count N] [--seed S]... [--all] TREE...`.

Migrates the trees in memory, draws rewrites whose proof is `sampled`, and executes both texts of
each on real torch and real MindSpore with values for their symbols. Exits with 1 if one is silently
different. Needs the oracle extra; a tree is any directory, nothing of it is changed or imported.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from page import EXECUTED, write  # noqa: E402

from mapper.files.prefilter import may_mention_conv  # noqa: E402
from mapper.model.options import Options  # noqa: E402
from mapper.model.results import FileResult, Site, Status  # noqa: E402
from mapper.running.file import Task, process  # noqa: E402
from tests.oracle import frameworks  # noqa: E402
from tests.oracle.executed import Example, Executed, Kind, execute  # noqa: E402

NEVER = "never equal"


@dataclass(frozen=True)
class Drawn:
    """A rewrite with a sampled proof."""

    tree: str
    file: FileResult
    site: Site

    def execute(self, seed: int) -> Executed:
        place = f"{self.tree}:{self.file.path}:{self.site.span.line}:{self.site.span.column}"
        return execute(self.file, self.site, f"{seed}:{place}")

    def place(self) -> str:
        return f"{self.tree} {self.file.path}:{self.site.span.line}"

    def words(self, example: Example) -> str:
        """Return what a person needs to reproduce a trial."""
        texts = [" ".join(str(text).split()) for text in (self.site.before, self.site.after)]
        return "\n    ".join([f"{self.place()}: {example.words}", *texts, example.values])


@dataclass
class Result:
    """The figures of one draw by tree, and what is to be read."""

    seed: int
    sites: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, Counter[Kind]] = field(default_factory=dict)
    remarks: dict[str, dict[str, str]] = field(default_factory=dict)
    """By title and place: what was said there."""

    def add(self, drawn: Drawn, found: Executed) -> None:
        self.sites[drawn.tree] += 1
        self.kinds.setdefault(drawn.tree, Counter()).update(found.counts)
        for kind in (Kind.DIFFERENT, Kind.RAISES):
            if kind in found.examples:
                example = found.examples[kind]
                print(f"\n{kind}: {drawn.words(example)}", file=sys.stderr)
                self._remark(kind, drawn, example.words)
        if not found.counts[Kind.EQUAL]:
            said = [example.words for example in found.examples.values()]
            self._remark(NEVER, drawn, said[0] if said else "torch refuses every value tried")

    def never(self) -> int:
        return len(self.remarks.get(NEVER, ()))

    def _remark(self, title: str, drawn: Drawn, words: str) -> None:
        self.remarks.setdefault(title, {})[drawn.place()] = words

    def total(self) -> Counter[Kind]:
        return sum(self.kinds.values(), Counter[Kind]())


def collect(directory: Path) -> Iterator[Drawn]:
    """Yield a tree's rewrites with a sampled proof."""
    for path in sorted(directory.rglob("*.py")):
        if may_mention_conv(data := path.read_bytes()):
            result = process(
                Task(path.relative_to(directory).as_posix(), data), Options(select=("conv",))
            )
            for site in result.sites:
                if site.status is Status.MIGRATED and site.proof.kind == "sampled":
                    yield Drawn(directory.name, result, site)


def draw(trees: Sequence[Sequence[Drawn]], count: int, seed: int) -> list[Drawn]:
    """Draw without replacement, from one tree after the other; 0 draws all."""
    random = Random(seed)
    waiting = [random.sample(tree, len(tree)) for tree in trees]
    found: list[Drawn] = []
    wanted = min(count or sys.maxsize, sum(map(len, trees)))
    while len(found) < wanted:
        for tree in waiting:
            found += [tree.pop()] if tree and len(found) < wanted else []
    return found


def run(drawn: Sequence[Drawn], seed: int) -> Result:
    """Execute what was drawn."""
    result = Result(seed)
    for number, one in enumerate(drawn, 1):
        print(f"\r{number}/{len(drawn)}", end="", file=sys.stderr, flush=True)
        result.add(one, one.execute(seed))
    print(file=sys.stderr)
    return result


def by_draw(results: Sequence[Result]) -> str:
    """Return a table with a line for each draw."""
    rows = [
        [str(r.seed), str(r.sites.total()), str(r.never()), *_cells(r.total())] for r in results
    ]
    return _table(["seed", "sites", NEVER, *Kind], rows)


def by_tree(result: Result) -> str:
    """Return a table with a line for each tree."""
    rows = [
        [tree, str(result.sites[tree]), *_cells(kinds)]
        for tree, kinds in sorted(result.kinds.items())
    ]
    rows.append(["all", str(result.sites.total()), *_cells(result.total())])
    return _table(["tree", "sites", *Kind], rows)


def _cells(kinds: Counter[Kind]) -> list[str]:
    return [str(kinds[kind]) for kind in Kind]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


SECTION = """\
{heading}
Written by `python benchmarks/drawn.py {flags}--write TREE...` on {date}. In {trees} public
repositories {sites} rewrites have a sampled proof. Those drawn were executed on real torch and
real MindSpore (CPU): both texts as they are, with values of ours for every name, chain of
attributes, subscript and unknown call in them, and torch's parameters copied over by the report's
`parameters`. `seed` decides what is drawn (from one repository after the other, so that the small
ones are there too) and every value.

Six trials a site have values that the call is written for and torch computes with (`equal`,
`raises`; `limit stated` where the report says that not all of them work). Where none of them is
equal there are up to 24, and a site that is never equal is counted as that. Then one symbol at a
time gets each of about two dozen `other` values: tuples and lists of several lengths, strings,
None, bools, floats, 0 and negative numbers. What torch refuses says nothing; `raises as stated`
breaks an assumption of the report, `raises too` is refused by MindSpore although none is stated:
the file itself says that the name holds no such value.
`silently different` must be 0.

{draws}

By repository, seed {seed}:

{trees_table}
{remarks}"""


def section(trees: int, sites: int, flags: str, results: Sequence[Result]) -> str:
    """Return the part of the page that this command writes."""
    titles = (Kind.DIFFERENT, Kind.RAISES, NEVER)
    remarks = "".join(_remarks(title, results) for title in titles)
    return SECTION.format(
        heading=EXECUTED,
        flags=flags,
        date=datetime.date.today(),
        sites=sites,
        trees=trees,
        draws=by_draw(results),
        seed=results[-1].seed,
        trees_table=by_tree(results[-1]),
        remarks=remarks,
    )


def _remarks(title: str, results: Sequence[Result]) -> str:
    said = {k: v for result in results for k, v in result.remarks.get(title, {}).items()}
    lines = [f"* {place}: {words}" for place, words in sorted(said.items())]
    return "\n".join([f"\n{title.capitalize()}:\n", *lines, ""]) if lines else ""


def main() -> int:
    """Draw, execute and print; or put the tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=100, help="sites per draw; 0 for all")
    parser.add_argument("--seed", type=int, action="append", help="repeatable; default 1")
    parser.add_argument("--all", action="store_true", help="all sites too, with the next seed")
    parser.add_argument("--write", action="store_true", help="write into docs/wild.md")
    arguments = parser.parse_args()
    frameworks.load()
    trees = [list(collect(directory)) for directory in arguments.trees]
    seeds = arguments.seed or [1]
    draws = [(seed, arguments.count) for seed in seeds]
    draws += [(max(seeds) + 1, 0)] if arguments.all else []
    results = [run(draw(trees, count, seed), seed) for seed, count in draws]
    flags = "".join(f"--seed {seed} " for seed in seeds) + f"--count {arguments.count} "
    flags += "--all " if arguments.all else ""
    text = section(len(trees), sum(map(len, trees)), flags, results)
    if arguments.write:
        write(executed=text)
    print(text)
    return int(any(result.total()[Kind.DIFFERENT] for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
