"""Public models, migrated whole and judged: `python benchmarks/models.py TREE… [--only NAME…]`.

A tree is a checkout, or a package unpacked from its wheel; the models of `model_list.py` whose tree
is given are migrated into a temporary directory, and both versions run: in evaluation and training,
in PyNative and GRAPH_MODE. **This executes the code of the trees.** How many files of whole trees
are whole, and what the others lack, is counted by `inventory.py`, which runs nothing.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from model_list import MODELS, Model  # noqa: E402
from tables import Table  # noqa: E402

from mapper.comparing.compare import Frameworks  # noqa: E402
from mapper.comparing.request import Interpreters, Request, parse_input  # noqa: E402
from mapper.comparing.results import Comparison, Difference, Run, SideError  # noqa: E402
from mapper.model.options import Options  # noqa: E402
from mapper.model.results import FileResult, FileStatus, Status  # noqa: E402
from mapper.running.file import Task, process  # noqa: E402

WHOLE = Options()
MODES = ("pynative", "graph")
WRITTEN = (Status.MIGRATED, Status.SHAPE_ONLY)
LIMITS = {False: 1e-5, True: 1e-4}  # of the output's scale, in evaluation and training
_CONSEQUENCE = re.compile(r".* stays torch's: (line \d+: .*)", re.DOTALL)


# --- migrating ----------------------------------------------------------------------------------


@dataclass
class Migrated:
    """The files of a model after the migration."""

    results: list[FileResult] = field(default_factory=list)
    torch: tuple[str, ...] = ()
    """Files that are written and name torch still."""

    @property
    def sites(self) -> Counter[str]:
        """Return how many sites ended in which status."""
        return Counter(str(site.status) for one in self.results for site in one.sites)

    @property
    def is_whole(self) -> bool:
        """Say whether all of them are MindSpore's alone."""
        return all(is_whole(one) for one in self.results)

    @property
    def reason(self) -> str:
        """Return the first thing that is in the way."""
        return next((words for one in self.results for words in hindrances(one)), "")


def is_whole(result: FileResult) -> bool:
    """Say whether no torch is left in a file, and no site needs a person."""
    if result.status is FileStatus.FAILED:
        return False
    text = result.before if result.after is None else result.after
    done = all(site.status in WRITTEN for site in result.sites)
    return done and not imports_torch(text or "")


def imports_torch(text: str) -> bool:
    """Say whether a module imports torch, or something that needs it."""
    try:
        tree = parsed(text)
    except SyntaxError:
        return True
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if any(name.partition(".")[0] == "torch" for name in names):
            return True
    return False


def parsed(text: str) -> ast.Module:
    """Parse a text without Python's warnings about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text.lstrip("\ufeff"))


def hindrances(result: FileResult) -> Iterator[str]:
    """Yield why a file is not whole: what is in the way itself, before what stays for its sake."""
    if result.status is FileStatus.FAILED:
        yield f"{result.path}: {result.message}"
        return
    left = [site for site in result.sites if site.status not in WRITTEN]
    for site in left:
        if not _CONSEQUENCE.fullmatch(site.message):
            source = " ".join(site.before.split())
            yield f"{result.path}:{site.span.line}: {source[:50]}: {site.message}"
    for site in left:
        if found := _CONSEQUENCE.fullmatch(site.message):
            yield f"{result.path}: {found[1]}"
    if not left and not is_whole(result):
        yield f"{result.path}: torch is imported still, and no site says why"


def migrate(model: Model, tree: Path, directory: Path) -> Migrated:
    """Write both versions of a model's files below `before` and `after` of a directory."""
    root = (tree / model.root).resolve()
    source = directory / "source"
    (source / ".git").mkdir(parents=True, exist_ok=True)  # the program ends here
    for name, text in model.stubs.items():
        write(source / name, text.encode())
    for name in (*model.files, *model.beside):
        write(source / name, (root / name).read_bytes())
    migrated = Migrated()
    for name in (*model.files, *model.beside, *model.stubs):
        data = (source / name).read_bytes()
        result = process(Task(name, data, str(source)), WHOLE)
        after = data if name in model.stubs else result.encoded() or data
        before = data
        if model.taken and name in model.files:
            before, after = (taken_out(text.decode(), model) for text in (data, after))
        write(directory / "before" / name, before)
        write(directory / "after" / name, after)
        if name in model.files:
            migrated.results.append(result)
            if imports_torch(after.decode()):
                migrated.torch += (name,)
    return migrated


def write(path: Path, data: bytes) -> None:
    """Write a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def taken_out(text: str, model: Model) -> bytes:
    """Return the named definitions of a script, with the functions and imports that they use."""
    tree = parsed(text)
    used, found = set(model.taken), set[str]()
    while used != found:
        found = set(used)
        kept = [node for node in tree.body if getattr(node, "name", None) in found]
        used |= {node.id for one in kept for node in ast.walk(one) if isinstance(node, ast.Name)}
    parts = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if getattr(node, "module", "") == "__future__":
                continue
            node.names = [one for one in node.names
                          if (one.asname or one.name.partition(".")[0]) in used]  # fmt: skip
            if node.names:
                parts.append(ast.unparse(node))
    parts.append(model.constants)
    parts += [_source(text, node) for node in kept]
    return "\n\n".join(parts).encode()


def _source(text: str, node: ast.stmt) -> str:
    """Return the lines of a definition, from its first decorator on."""
    first = min((one.lineno for one in getattr(node, "decorator_list", [])), default=node.lineno)
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


# --- judging ------------------------------------------------------------------------------------


def judge(
    model: Model, directory: Path, frameworks: Frameworks, stir: bool, after: str = "after"
) -> Comparison | str:
    """Return what differs between the two versions, or why they cannot be compared."""
    request = Request(
        directory / "before",
        directory / after,
        model.expression,
        tuple(map(parse_input, model.inputs)),
        train=True,
        modes=MODES,
        stir=stir,
    )
    try:
        return frameworks.compare(request)
    except SideError as error:
        return said(str(error.failure), error.failure.traceback)


def said(message: str, traceback: Sequence[str]) -> str:
    """Return the last line of an error, and the last place in the model's code."""
    place = next((line.strip() for line in reversed(traceback) if "line " in line), "")
    place = re.sub(r'File "[^"]*/', 'File "', place)
    first = next((line for line in message.splitlines() if line.strip()), "")
    return f"{first} ({place})" if place else first


def values_of(run: Run) -> list[Difference]:
    """Return what the issue's limits are for: outputs, running statistics, parameter gradients."""
    named = (*run.statistics, *run.gradients)
    return [*run.outputs, *(one for _, one in named)]


def agrees(run: Run) -> bool:
    """Say whether these are torch's, within the limits or up to float32's rounding.

    The judge also names layers inside that are beyond the limits; these have a column.
    """
    if run.failure is not None or any(one.difference is None for one in run.findings):
        return False
    near = not any(one.exceeds(LIMITS[run.train]) for one in values_of(run))
    return near or run.rounding is not None


def cell(run: Run, draws: bool, exact: Run | None) -> str:
    """Return how far the values of a run are apart, or in a word what went wrong."""
    if run.failure is not None:
        return "fails"
    if draws and run.mode == "graph":
        return "runs, random"
    if not agrees(run):
        if exact is not None and agrees(exact):
            return f"{farthest(run):.0e}, tanh ({distance(exact)})"
        return f"differs ({farthest(run):.0e})"
    return distance(run)


def distance(run: Run) -> str:
    """Return how far a run that agrees is apart, and whether that is rounding."""
    worst = farthest(run)
    return f"{worst:.0e}" + (", rounding" if worst > LIMITS[run.train] else "")


def farthest(run: Run) -> float:
    """Return the largest difference of a run."""
    return max((one.largest for one in values_of(run)), default=0.0)


TANH = """\
import mindspore as ms
from mindspore import nn, ops


def tanh(x):
    return ops.tanh(x.astype(ms.float64)).astype(x.dtype)


class Tanh(nn.Cell):
    def construct(self, x):
        return tanh(x)
"""


def with_exact_tanh(directory: Path) -> bool:
    """Write the migrated version once more with tanh in float64; return whether it has any."""
    found = False
    for path in (directory / "after").rglob("*.py"):
        text = path.read_text("utf-8")
        new = re.sub(r"\b(?:nn\.(?=Tanh\b)|ops\.(?=tanh\b))", "exact_tanh.", text)
        if new != text:
            found, new = True, f"import exact_tanh\n{new}"
        write(directory / "exact" / path.relative_to(directory / "after"), new.encode())
    write(directory / "exact" / "exact_tanh.py", TANH.encode())
    return found


def inner(comparison: Comparison) -> str:
    """Return the layer whose output is farthest apart in PyNative, and the farthest single step."""
    calls = [(one.largest, call) for run in comparison.runs for call in run.calls
             for one in call.outputs]  # fmt: skip
    if not calls:
        return ""
    largest, call = max(calls, key=lambda one: one[0])
    steps = [run.rounding.step for run in comparison.runs if run.rounding is not None]
    step = max((one for one in steps if one is not None), default=None)
    words = f"{largest:.0e} {call.path or '(the model)'}"
    return words if step is None else f"{words}; one step {step:.0e}"


def reason(comparison: Comparison, draws: bool, exact: Sequence[Run | None]) -> str:
    """Return the first thing in which two models differ."""
    for run, other in zip(comparison.runs, exact, strict=True):
        if agrees(run) or (draws and run.mode == "graph" and run.failure is None):
            continue
        if run.failure is None and other is not None and agrees(other):
            continue
        where = f"{run.mode}, {'training' if run.train else 'evaluation'}: "
        if run.first is not None:
            return where + str(run.first)
        if run.failure is not None:
            return where + said(str(run.failure), run.failure.traceback)
        return f"{where}{max(values_of(run), key=lambda one: one.largest)}"
    return ""


COLUMNS = (
    "model", "sites", "whole", "eval", "eval, graph", "train", "train, graph", "inner", "reason",
)  # fmt: skip


def row(
    model: Model, tree: Path, frameworks: Frameworks, keep: Path | None, stir: bool
) -> list[str]:
    """Migrate and judge one model."""
    with tempfile.TemporaryDirectory(prefix="tm2ms-") as temporary:
        directory = Path(temporary)
        if keep is not None:
            directory = keep / re.sub(r"\W+", "_", model.name)
        migrated = migrate(model, tree, directory)
        sites = ", ".join(f"{n} {name}" for name, n in migrated.sites.most_common())
        is_done = migrated.is_whole or (model.taken and not migrated.torch)
        head = [
            model.name,
            sites,
            ("yes" if migrated.is_whole else "its class") if is_done else "no",
        ]
        if migrated.torch:
            return [*head, *["–"] * 5, migrated.reason]
        judged = judge(model, directory, frameworks, stir)
        if isinstance(judged, str):
            return [*head, *["–"] * 5, judged]
        exact: list[Run | None] = [None] * len(judged.runs)
        if reason(judged, model.draws, exact) and with_exact_tanh(directory):
            again = judge(model, directory, frameworks, stir, "exact")
            exact = exact if isinstance(again, str) else list(again.runs)
        cells = [
            cell(run, model.draws, other) for run, other in zip(judged.runs, exact, strict=True)
        ]
        why = reason(judged, model.draws, exact) or ("" if is_done else migrated.reason)
        return [*head, *cells, inner(judged), why]


PAGE = """\
# Public models, migrated whole

Written by `python benchmarks/models.py TREE… --write docs/models.md` ({date}, {versions}). Each
model is migrated by one run of the tool and not touched by hand; then both versions run with the
same weights and inputs, in evaluation and in one step of training, in PyNative and in GRAPH_MODE.
The models, how they are built and what they are given are in `benchmarks/model_list.py`, with the
commits they were taken from.

A cell says how far outputs, running statistics and gradients of parameters are apart at most, in
parts of torch's largest output, of the largest statistic and of the network's largest gradient.
The mark is 1e-5 in evaluation and 1e-4 in training. `rounding` stands where a difference is beyond
it, and two questions say that it is float32's own:

* **Step by step.** torch runs in float64, and each of its layers hands on what MindSpore's layer
  has returned. So every layer, and the code between two of them, starts from MindSpore's values:
  nothing adds up, activations are on the same side of their kinks, and the mark holds for outputs,
  statistics and gradients of each single step. This is asked in PyNative, where layers can be seen.
* **As a whole.** From torch in float64, MindSpore's value is at most eight times as far as torch's
  own in float32, the worst of four roundings (as drawn, and three with weights and inputs moved to
  the next float32, two of them by torch's other kernels).

`tests/oracle/test_comparing.py` plants differences in a chain of forty convolutions that is beyond
the mark by rounding alone (eps, a tenth more of eps, momentum, a padding, a slope, a transposed
weight, exchanged layers, a gradient), early and late: each is named at its layer. `inner` is the
layer whose output is farthest apart, which the mark is not for, and the largest single step.

`tanh (…)` stands where MindSpore's CPU kernel of tanh, which is up to 1e-4 from tanh in float32, is
all that is beyond the mark: with tanh in float64 put in its place the run agrees, and the figure in
parentheses is how far it is apart then.

`--only NAME…` runs some of the models and keeps the rows of the others.

{table}

{count}
"""


def judged(options: argparse.Namespace) -> bool:
    """Print the table of the models, and return whether all agree."""
    # a checkout may be called owner+name
    trees = {tree.resolve().name.rpartition("+")[2]: tree for tree in options.trees}
    wanted = [one for one in MODELS if one.tree in trees]
    if options.only:
        wanted = [one for one in wanted if any(text in one.name for text in options.only)]
    pages = [*options.rows, *([options.write] if options.write else [])]
    table = Table(COLUMNS, [one.name for one in MODELS], pages)
    print(Table(COLUMNS, []), flush=True)
    done = []
    for model in wanted:
        start = time.perf_counter()
        # a program that one model ends is not missed by the next
        with Frameworks(Interpreters(options.torch, options.mindspore)) as frameworks:
            cells = row(model, trees[model.tree], frameworks, options.keep, not options.plain)
        done.append(cells)
        print(table.put(cells), flush=True)
        if options.times:
            print(f"{model.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
        write_page(options.write, table)
    write_page(options.write, table)
    print(f"\n{count(done)}")
    missing = {one.tree for one in MODELS} - trees.keys()
    if missing:
        print(f"No tree was given for {', '.join(sorted(missing))}.")
    return all(map(is_equal, done))


def write_page(page: Path | None, table: Table) -> None:
    """Write the page with the rows that there are, if one is wanted."""
    if page is not None:
        versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "mindspore"))
        text = PAGE.format(date=date.today(), versions=versions, table=table,
                           count=count(table.rows))  # fmt: skip
        page.write_text(text, "utf-8")


def is_equal(cells: Sequence[str]) -> bool:
    """Say whether a row's model is whole and agrees."""
    return cells[2] != "no" and not cells[-1]


def count(rows: Sequence[Sequence[str]]) -> str:
    """Say how many models are whole and agree."""
    agree = sum(map(is_equal, rows))
    return f"{agree} of {len(rows)} are whole (of scripts: the class) and agree."


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="models whose name has this")
    parser.add_argument("--keep", type=Path, help="write both versions here, and leave them")
    parser.add_argument(
        "--write",
        type=Path,
        help="write the table as a page, and keep other rows",
    )
    parser.add_argument("--plain", action="store_true", help="the weights as torch draws them")
    parser.add_argument("--times", action="store_true", help="say how long each took")
    parser.add_argument("--torch", default=sys.executable, help="the Python that has torch")
    parser.add_argument("--mindspore", default=sys.executable, help="the Python with MindSpore")
    parser.add_argument("--rows", nargs="+", type=Path, default=[], metavar="PAGE",
                        help="take the rows of pages written beside this one")  # fmt: skip
    options = parser.parse_args()
    return 0 if judged(options) else 1


if __name__ == "__main__":
    sys.exit(main())
