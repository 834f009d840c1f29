"""The rooms of the house: who may know whom, and what a file that is no concern of ours costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mapper"
PATHS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports_of(name: str, at_start: bool = False) -> set[str]:
    """Return the modules a room imports, for types only or later or (`at_start`) at once."""
    tree = ast.parse(PATHS[name].read_text("utf-8"))
    nodes = _at_start(tree.body) if at_start else ast.walk(tree)
    return {module for node in nodes for module in _imported(node)}


def _at_start(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            continue
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.With):
            yield from _at_start(statement.body)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        full = (f"{node.module}.{alias.name}" for alias in node.names)
        yield from (name if name in PATHS else node.module for name in full)


def rooms_known_to(name: str) -> set[str]:
    """Return the other rooms that a room imports, without the `mapper.`.

    `record` is none: it is the house's word for `dataclass`.
    """
    known = {module for module in imports_of(name) if module.startswith("mapper.")}
    return {module.removeprefix("mapper.") for module in known} - {"record"}


def libraries_known_to(name: str) -> set[str]:
    known = imports_of(name) - {"mapper.model.record"}
    return {module.partition(".")[0] for module in known}


def test_every_room_is_named_in_the_plan_of_the_house() -> None:
    plan = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rooms = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert {name for name in rooms if f"`{name}`" not in plan} == set()


def test_there_are_rooms() -> None:
    assert len(PATHS) > 30
    assert {"cst", "numpy"} <= {"cst", *libraries_known_to("mapper.proving.semantics.conv.arrays")}
    assert "libcst" in libraries_known_to("mapper.writing.cst_writer")


@pytest.mark.parametrize("name", PATHS)
def test_nobody_knows_the_command_line(name: str) -> None:
    if name not in ("mapper.cli.app", "mapper.__main__"):
        assert "cli" not in rooms_known_to(name)


@pytest.mark.parametrize(
    "name", [name for name in PATHS if name.startswith("mapper.proving.semantics.conv")]
)
def test_the_engine_knows_arrays_and_the_words_only(name: str) -> None:
    others = {room for room in rooms_known_to(name) if not room.startswith("engine.")}
    assert others <= {"outcome"}
    assert "libcst" not in libraries_known_to(name)


@pytest.mark.parametrize("name", [name for name in PATHS if name.startswith("mapper.report")])
def test_the_reports_do_not_know_how_results_come_about(name: str) -> None:
    makers = {"migrate", "process", "run", "rewrite", "verify", "imports", "names", "strategies"}
    assert not rooms_known_to(name) & makers
    assert not libraries_known_to(name) & {"libcst", "numpy"}


KNOWS_NO = {
    "outcome": {"mapper", "libcst", "numpy", "rich", "typer"},
    "rulebook": {"libcst", "numpy", "rich", "typer", "ast"},
    "walk": {"libcst", "numpy", "rich", "typer", "mapper"},
    "scopes": {"libcst", "numpy", "rich", "typer"},
    "names": {"libcst", "numpy", "rich", "typer"},
    "bind": {"libcst", "numpy", "rich", "typer"},
    "sequences": {"libcst", "numpy", "rich", "typer", "mapper"},
    "values": {"libcst", "numpy", "rich", "typer"},
    "annotations": {"libcst", "numpy", "rich", "typer", "mapper"},
    "knowledge": {"libcst", "numpy", "rich", "typer"},
    "source": {"libcst", "numpy", "rich", "typer", "mapper"},
    "imports": {"numpy", "rich", "typer"},
    "layout": {"libcst", "numpy", "rich", "typer"},
    "plain": {"libcst", "numpy", "rich", "typer"},
    "rewrite": {"numpy", "rich", "typer"},
    "plan": {"libcst", "numpy", "rich", "typer", "mapper"},
    "verify": {"libcst", "rich", "typer"},
    "config": {"libcst", "numpy", "rich", "typer", "ast"},
    "discover": {"libcst", "numpy", "rich", "typer", "ast"},
    "run": {"rich", "typer", "libcst", "numpy"},
}


@pytest.mark.parametrize(("room", "unknown"), KNOWS_NO.items(), ids=KNOWS_NO)
def test_a_room_knows_nothing_of(room: str, unknown: set[str]) -> None:
    assert not libraries_known_to(f"mapper.{room}") & unknown


@pytest.mark.parametrize("name", ["scopes", "values"])
def test_reading_knows_how_to_walk_and_no_other_room(name: str) -> None:
    assert rooms_known_to(f"mapper.{name}") - {"sequences"} == {"walk"}


NOT_ABOVE = {
    "rulebook": {"outcome", "migrate", "source", "names"},
    "names": {"rulebook", "migrate", "imports", "verify"},
    "values": {"migrate", "names", "verify", "knowledge"},
    "knowledge": {"migrate", "calls", "verify", "strategies"},
    "verify": {"migrate", "knowledge", "layout", "plain", "rewrite", "imports", "process"},
    "layout": {"migrate", "verify", "imports", "strategies"},
    "plain": {"migrate", "verify", "imports", "strategies"},
    "rewrite": {"migrate", "verify", "imports", "strategies"},
    "strategies": {"migrate", "verify", "imports", "rewrite"},
    "migrate": {"process", "run", "config", "write", "discover"},
    "process": {"run", "config", "write", "discover"},
}


@pytest.mark.parametrize(("room", "above"), NOT_ABOVE.items(), ids=NOT_ABOVE)
def test_imports_point_one_way(room: str, above: set[str]) -> None:
    assert not rooms_known_to(f"mapper.{room}") & above


def test_no_two_rooms_import_each_other_at_the_start() -> None:
    graph = {name: {m for m in imports_of(name, at_start=True) if m in PATHS} for name in PATHS}
    done: set[str] = set()
    while free := {name for name in graph if name not in done and graph[name] <= done}:
        done |= free
    assert sorted(graph.keys() - done) == []


def test_neither_framework_is_ever_imported() -> None:
    used = {library for name in PATHS for library in libraries_known_to(name)}
    assert not used & {"torch", "mindspore"}


# --- start-up -------------------------------------------------------------------------------------

COSTLY = ("libcst", "numpy", "rich", "pydantic", "mapper.running.module", "mapper.rulebook.loader")


def loaded_by(directory: Path, *arguments: str) -> set[str]:
    """Return the costly modules that a command has loaded when it ends."""
    code = (
        "import sys\n"
        f"sys.argv = ['tm2ms', *{arguments!r}]\n"
        "from mapper.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {COSTLY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=directory
    )
    assert done.returncode == 0, done.stderr
    return set(ast.literal_eval(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n",
        "import torch\ntorch.zeros(3)\n",
        "from mine import Wide2d\nConv2d = Wide2d\n",
        "not ( Python",
    ],
    ids=["plain", "torch without convolutions", "convolutions without torch", "not Python"],
)
def test_a_file_that_the_prefilter_rejects_loads_nothing_costly(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(text)
    assert loaded_by(tmp_path, "migrate", "a.py") == set()


def test_the_version_loads_nothing_costly(tmp_path: Path) -> None:
    assert loaded_by(tmp_path, "--version") == set()


@pytest.mark.parametrize(
    ("call", "libcst"),
    [
        ("nn.Conv2d(3, 8, 3)", set()),
        ("nn.Conv2d(  # stem\n    3, 8, 3)", set()),
        ("nn.Conv2d(3  # in\n    , 8, 3)", {"libcst"}),
    ],
    ids=["laid out plainly", "with a comment in it", "with a comment before a comma"],
)
def test_a_file_with_a_convolution_loads_what_it_needs(
    tmp_path: Path, call: str, libcst: set[str]
) -> None:
    (tmp_path / "a.py").write_text(f"import torch.nn as nn\n{call}\n")
    loaded = loaded_by(tmp_path, "migrate", "a.py")
    assert {"numpy", "mapper.running.module", *libcst} <= loaded
    assert not loaded & ({"pydantic", "rich", "libcst"} - libcst)
