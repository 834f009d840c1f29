"""What the tool does on real source trees: `python benchmarks/wild.py [--write] TREE...`.

Prints, for each tree, the references to torch convolutions that an independent count finds, and
what became of them. A tree is any directory with PyTorch source; nothing in it is changed.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from counter import count  # noqa: E402
from page import write  # noqa: E402

from mapper.files.prefilter import may_mention_conv  # noqa: E402
from mapper.model.options import Options  # noqa: E402
from mapper.model.results import FileResult, FileStatus, Site, Status  # noqa: E402
from mapper.running.file import Task, process  # noqa: E402

COLUMNS = (
    "files", "references", "sites", "lost", "calls", "migrated", "exact", "sampled", "unsafe",
    "manual", "tests", "other", "broken", "unstable", "failed",
)  # fmt: skip


@dataclass
class Tree:
    """The figures of one tree."""

    name: str
    figures: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def measure(directory: Path) -> Tree:
    """Migrate every file of a tree in memory and count."""
    tree = Tree(directory.name)
    for path in sorted(directory.rglob("*.py")):
        data = path.read_bytes()
        tree.figures["files"] += 1
        if may_mention_conv(data):
            result = process(
                Task(str(path.relative_to(directory)), data), Options(select=("conv",))
            )
            _count_file(tree, result)
    return tree


def _count_file(tree: Tree, result: FileResult) -> None:
    figures = tree.figures
    if result.status is FileStatus.FAILED:
        figures["failed"] += 1
        return
    references = count(result.before or "")
    direct = [site for site in result.sites if site.through is None]
    figures["references"] += references
    figures["sites"] += len(result.sites)
    figures["lost"] += references - len(direct)
    for site in result.sites:
        _count_site(tree, site)
    figures["broken"] += not _parses(result.after or "")
    if result.status is FileStatus.CHANGED:
        again = process(Task(result.path, result.encoded() or b""), Options(select=("conv",)))
        figures["unstable"] += again.status is not FileStatus.UNCHANGED


def _count_site(tree: Tree, site: Site) -> None:
    if not site.before.endswith(")"):
        tree.figures["tests" if site.status is Status.MIGRATED else "other"] += 1
        return
    tree.figures["calls"] += 1
    tree.figures[str(site.status)] += 1
    if site.status is Status.MIGRATED:
        tree.figures[site.proof.kind] += 1
    else:
        words = re.sub(r"`[^`]*`", "`…`", site.message.partition("; for `mindspore")[0])
        words = re.sub(r"(may hold )[\w, ]+(, which)", r"\1…\2", words)
        tree.reasons[re.sub(r"line \d+", "line …", words)] += 1


def _parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except SyntaxError:
            return False
    return True


def table(trees: Sequence[Tree]) -> str:
    """Return the figures as a Markdown table with a line for the sum."""
    total = Tree("all")
    for tree in trees:
        total.figures.update(tree.figures)
    rows = [["tree", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    rows += [[t.name, *(str(t.figures[c]) for c in COLUMNS)] for t in [*trees, total]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def reasons(trees: Iterable[Tree]) -> str:
    """Return why calls were left, the most frequent reason first."""
    total: Counter[str] = Counter()
    for tree in trees:
        total.update(tree.reasons)
    lines = ["| calls | reason |", "|---|---|"]
    lines += [f"| {number} | {words} |" for words, number in total.most_common()]
    return "\n".join(lines)


PAGE = """\
# What it did on public repositories

Written by `python benchmarks/wild.py --write TREE...` on {date}: the Python files of {count} public
repositories, migrated in memory with the default settings.

`references` is an independent count (`tests/counter.py`, on Python's own symbol tables); `lost` is
references less sites that are no calls through a local name, and must be 0. `calls` are constructor
and functional calls, `tests` are type tests extended to both frameworks, `other` are references
left to a person (subclasses, values passed on, annotations). `broken` counts outputs that do not
parse, `unstable` files that a second run would change again, `failed` files that could not be done.

{table}

Of all calls, {share:.1%} are migrated.

## Why calls were left

{reasons}
"""


def main() -> None:
    """Print the tables, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="write into docs/wild.md")
    arguments = parser.parse_args()
    trees = [measure(directory) for directory in arguments.trees]
    calls = sum(tree.figures["calls"] for tree in trees)
    page = PAGE.format(
        date=datetime.date.today(),
        count=len(trees),
        table=table(trees),
        share=sum(tree.figures["migrated"] for tree in trees) / max(calls, 1),
        reasons=reasons(trees),
    )
    if arguments.write:
        write(did=page)
    print(page)


if __name__ == "__main__":
    main()
