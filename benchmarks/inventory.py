"""How far public repositories are: `python benchmarks/inventory.py TREE… [--write PAGE]`.

A tree is a checkout. It is migrated as `tm2ms migrate --check` does, with all its files known, and
nothing of it is run or written. Per tree: the files that define a Module and are no training
script, how many are whole, and for the others what is in their way, by how many files it completes.
With `--reports DIR` a tree whose report is kept there is not migrated anew, so that several
processes may share the trees, and one may go on where another stopped.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from mapper.analysis.inference import Inference, Project  # noqa: E402
from mapper.analysis.module import ParsedModule  # noqa: E402
from mapper.analysis.resolve import Names  # noqa: E402
from mapper.files.source import LineIndex  # noqa: E402

WRITTEN = ("migrated", "shape-only")
TRAINING = re.compile(r"\btorch\.optim\b|\bDataLoader\b|\boptim\.(SGD|Adam|AdamW|RMSprop)\b")
"""What stands in scripts that train; the census counts their models apart."""
CONSEQUENCE = re.compile(r".* stays torch's: .*|this import stays: line \d+ needs it", re.DOTALL)
"""The words of a site that waits for another one, of its file or of one that it uses."""
OF_ANOTHER = re.compile(r"` of [\w.]+ stays torch's: |of another file stays torch's: ")
"""What the words hold where that other site stands in another file."""


NUMBER = re.compile(r"\d+")


@dataclass
class Tree:
    """The model files of one tree, and what is in the way of those that are not whole."""

    name: str
    files: int = 0
    whole: int = 0
    failed: list[str] = field(default_factory=list)
    alone: Counter[str] = field(default_factory=Counter)
    """Names that a file lacks and nothing else: what each would complete."""
    lacked: Counter[str] = field(default_factory=Counter)
    """Names that a file lacks, with others or alone."""

    @property
    def ranked(self) -> list[str]:
        """Return the names, those that would complete most files first."""
        return sorted(self.lacked, key=lambda one: (-self.alone[one], -self.lacked[one], one))

    def add(self, other: Tree) -> None:
        """Count another tree with this one."""
        self.files += other.files
        self.whole += other.whole
        self.failed += [f"{other.name}/{one}" for one in other.failed]
        self.alone.update(other.alone)
        self.lacked.update(other.lacked)


def has_model(path: Path, project: Project) -> bool:
    """Say whether a file defines a class that derives from torch.nn.Module, and does not train."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        if TRAINING.search(text):
            return False
        names = Names(tree, lambda name: None, path=path)
        module = ParsedModule(text, tree, names, LineIndex(text), path=path)
        return bool(Inference(module, project).classes)
    except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError, OSError):
        return False


def migrated(tree: Path, reports: Path | None) -> list[dict[str, Any]]:
    """Return the files of the JSON report of a whole tree, which `reports` keeps, if given."""
    with tempfile.TemporaryDirectory() as made:
        folder = reports or Path(made)
        kept = folder.resolve() / f"{tree.resolve().name}.json"
        if not kept.exists():
            report = Path(made) / "report.json"
            command = [sys.executable, "-m", "mapper", "migrate", "--check", "-q", "-j", "1"]
            subprocess.run(
                [*command, "--report", str(report), "."],
                cwd=tree,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
                capture_output=True,
                check=False,
            )
            shutil.copy(report, kept)
        found: list[dict[str, Any]] = json.loads(kept.read_text("utf-8"))["files"]
    return found


def missing(file: dict[str, Any]) -> set[str]:
    """Return what a file lacks: names, and in words where a name is not what is in the way.

    What another file lacks counts where this one waits for it.
    """
    left = [site for site in file["sites"] if site["status"] not in WRITTEN]
    found: set[str] = set()
    for site in left:
        words = site["message"] or ""
        if not CONSEQUENCE.fullmatch(words):
            found.add(site["api"] if site["status"] == "uncovered" else cause(site["api"], words))
        elif OF_ANOTHER.search(words):
            found.add(cause("elsewhere", words))
    if not found:  # what is in the way is no site, but what a class or function does
        words = [site["message"] or "" for site in left]
        waits = [one for one in words if " stays torch's: " in one]
        found = {cause("a class", one) for one in (waits or words)[:1]}
    return found


def cause(api: str, words: str) -> str:
    """Return why a site is not written, without the names and numbers of its file."""
    last = words.rpartition(" stays torch's: ")[2]
    text = re.sub(r"`[^`]*`", "…", re.sub(r"^line \d+: ", "", last))
    return f"{api}: {NUMBER.sub('n', text.splitlines()[0] if text else '')[:80]}"


def inventory(tree: Path, reports: Path | None = None) -> Tree:
    """Migrate a tree without writing, and count its model files."""
    found = Tree(tree.resolve().name.replace("+", "/", 1))
    project = Project()
    for file in migrated(tree, reports):
        path = (tree / file["path"]).resolve()
        if path.suffix != ".py" or not has_model(path, project):
            continue
        found.files += 1
        if file["status"] == "failed":
            found.failed.append(file["path"])
        elif file["whole"]:
            found.whole += 1
        else:
            names = missing(file)
            found.lacked.update(names)
            if len(names) == 1:
                found.alone.update(names)
    return found


def line(cells: Iterable[object]) -> str:
    """Return one line of a Markdown table."""
    plain = (" ".join(str(one).split()).replace("|", "\\|") for one in cells)
    return f"| {' | '.join(plain)} |"


def page(trees: Sequence[Tree], most: int) -> str:
    """Return the tables: one line per tree, and the names in the way of all."""
    total = Tree("all")
    for tree in trees:
        total.add(tree)
    share = total.whole / max(total.files, 1)
    rows = [
        line(["repository", "model files", "whole", "in the way"]),
        "|---|---|---|---|",
    ]
    for tree in sorted(trees, key=lambda one: one.name.lower()):
        names = "; ".join(f"{n} ({tree.alone[n]} of {tree.lacked[n]})" for n in tree.ranked[:3])
        rows.append(line([tree.name, tree.files, tree.whole, names]))
    rows.append(line([f"**{len(trees)}**", total.files, f"{total.whole} ({share:.0%})", ""]))
    rows += ["", line(["in the way", "completes", "files"]), "|---|---|---|"]
    rows += [line([n, total.alone[n], total.lacked[n]]) for n in total.ranked[:most]]
    if total.failed:
        rows += ["", f"Not parsed: {', '.join(total.failed)}."]
    return "\n".join(rows) + "\n"


HEAD = """# How far public repositories are

Written by `python benchmarks/inventory.py TREE… --write docs/inventory.md` over checkouts of the
repositories; nothing of them is run. A model file defines a class that derives from `nn.Module`
and is no training script. `whole`: no torch is left in it and no site needs a person. *Completes*:
files in which nothing else is in the way; *files*: all in which it is.

"""


def main() -> int:
    """Print the tables, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--write", type=Path, help="write the page here instead")
    parser.add_argument("--reports", type=Path, help="keep the reports here, and use those there")
    parser.add_argument("--most", type=int, default=60, help="names of the last table")
    options = parser.parse_args()
    if options.reports:
        options.reports.mkdir(parents=True, exist_ok=True)
    found = []
    for tree in options.trees:
        one = inventory(tree, options.reports)
        print(f"{one.name}: {one.whole} of {one.files}", file=sys.stderr, flush=True)
        found.append(one)
    text = page(found, options.most)
    if options.write:
        options.write.write_text(HEAD + text, encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
