"""The packages: which may import which, and what a file that is no candidate costs at the start."""

from __future__ import annotations

import ast
import re
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

BELOW: dict[str, set[str]] = {
    "model": set(),
    "files": {"model"},
    "rulebook": {"model", "files"},
    "analysis": {"model", "files", "rulebook"},
    "planning": {"model", "rulebook", "analysis"},
    "writing": {"model", "files", "rulebook", "analysis"},
    "proving": {"model", "rulebook", "analysis"},
    "running": {"model", "files", "rulebook", "analysis", "planning", "writing", "proving"},
    "report": {"model", "files"},
    "weights": {"model"},
    "comparing": {"model", "weights"},
    "cli": {
        "model", "files", "rulebook", "analysis", "planning", "writing", "proving", "running",
        "report", "weights", "comparing",
    },
}  # fmt: skip
"""For every package, the packages that it may import."""

LIBRARIES: dict[str, set[str]] = {
    "model": set(),
    "files": set(),
    "rulebook": set(),
    "analysis": set(),
    "planning": set(),
    "writing": {"libcst"},
    "proving": {"numpy"},
    "running": {"distributed"},
    "report": {"markdown_it", "rich"},
    "weights": {"numpy"},
    "comparing": {"numpy"},
    "cli": {"rich", "typer", "click", "numpy"},
}
"""For every package, the libraries outside Python's own that it may import."""


def imports_of(name: str, at_start: bool = False) -> set[str]:
    """Return the modules that a module imports, for types only or later or (`at_start`) at once."""
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


def package_of(name: str) -> str:
    """Return the package of a module of ours, "" for those directly below `mapper`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 2 or name.removeprefix("mapper.") in BELOW else ""


def test_every_package_of_the_tables_exists_and_every_package_is_in_them() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages == BELOW.keys() == LIBRARIES.keys()


def test_every_package_has_modules() -> None:
    counts = {package: sum(package_of(name) == package for name in PATHS) for package in BELOW}
    assert {package for package, count in counts.items() if count < 3} == set()


def test_the_order_of_the_packages_has_no_circle() -> None:
    done: set[str] = set()
    while free := {package for package in BELOW if package not in done and BELOW[package] <= done}:
        done |= free
    assert done == BELOW.keys()


@pytest.mark.parametrize("name", [name for name in PATHS if package_of(name)])
def test_a_module_imports_only_from_packages_below_its_own(name: str) -> None:
    own = package_of(name)
    known = {package_of(module) for module in imports_of(name) if module.startswith("mapper.")}
    assert known - {own, ""} <= BELOW[own]


@pytest.mark.parametrize("name", [name for name in PATHS if package_of(name)])
def test_a_module_imports_only_the_libraries_of_its_package(name: str) -> None:
    known = {module.partition(".")[0] for module in imports_of(name)} - {"mapper"}
    allowed = LIBRARIES[package_of(name)]
    if name in SIDES:  # there, what is beside the program has no package
        allowed = allowed | {SIDES[name], "side"}
    assert known - sys.stdlib_module_names <= allowed


@pytest.mark.parametrize("package", BELOW)
def test_the_plan_names_every_package(package: str) -> None:
    assert f"`{package}/`" in (ROOT / "ARCHITECTURE.md").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/__init__.py")), ids=lambda p: p.parent.name)
def test_the_init_of_a_package_imports_nothing_costly(path: Path) -> None:
    if path.parent.name != "report":  # it names the formats, and imports each when it is asked for
        body = ast.parse(path.read_text("utf-8")).body
        assert [type(one) for one in body] in ([], [ast.Expr])


def test_no_two_modules_import_each_other() -> None:
    graph = {name: {m for m in imports_of(name) if m in PATHS} - {name} for name in PATHS}
    graph["mapper"] = set()  # its API is imported when it is first asked for
    done: set[str] = set()
    while free := {name for name in graph if name not in done and graph[name] <= done}:
        done |= free
    assert sorted(graph.keys() - done) == []


SIDES = {"mapper.comparing.side_torch": "torch", "mapper.comparing.side_mindspore": "mindspore"}
"""The programs that run in another process, each with the one framework that it imports there."""


def test_neither_framework_is_ever_imported_but_by_the_program_of_its_process() -> None:
    frameworks = {"torch", "mindspore"}
    used = {
        name: found
        for name in PATHS
        if (found := {module.partition(".")[0] for module in imports_of(name)} & frameworks)
    }
    assert used == {name: {framework} for name, framework in SIDES.items()}
    assert not any(imports_of(name, at_start=True) & frameworks for name in SIDES)


def test_the_programs_of_other_processes_are_imported_by_no_module() -> None:
    assert not any(imports_of(name) & SIDES.keys() for name in PATHS)


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
        "import os, numpy\nfrom pathlib import Path\n",
        "from mine import Wide2d\nConv2d = Wide2d\n",
        "not ( Python",
    ],
    ids=["plain", "imports of others", "convolutions without torch", "not Python"],
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


# --- the page -------------------------------------------------------------------------------------

PAGE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
ALL = "all of them"


def test_the_page_says_what_each_package_may_import() -> None:
    rows = re.findall(r"^\| `(\w+)/`.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    said = {
        package: BELOW.keys() - {package} if words == ALL else set(words.split(", ")) - {"nothing"}
        for package, words in rows
    }
    assert said == BELOW


def test_the_files_that_the_page_names_exist() -> None:
    named = set(re.findall(r"`([\w/.]+/[\w/.]*)`", PAGE))
    assert len(named) > 40
    assert [one for one in named if not any((at / one).exists() for at in (ROOT, PACKAGE))] == []


def test_the_page_lists_the_modules_of_analysis() -> None:
    (table,) = re.findall(r"^## The modules of `analysis/`.*?(?=^## )", PAGE, re.M | re.S)
    said = {
        word
        for row in re.findall(r"^\|[^|]*\?(.*)$", table, re.M)
        for word in re.findall(r"`(\w+)`", row)
    }
    assert said <= {path.stem for path in (PACKAGE / "analysis").glob("*.py")}
