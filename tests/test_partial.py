"""`--partial`: a class migrates with what cannot be migrated, which raises where it is reached."""

from __future__ import annotations

import ast
import json
import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mapper import UsageError, migrate_paths, migrate_source
from mapper.cli.app import app
from mapper.model.results import FileResult, Site, Status
from tests.projects import notebook

NET = """\
import torch
import torch.nn as nn
{above}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
{more}

    def forward(self, x):
{body}
"""
REASON = "no rule yet for `torch.foo`"
CALL = f"not_migrated('line 12: torch.foo(x)', '{REASON}')"

RAISES = {
    "an expression": ("y = torch.foo(x)\nreturn self.fc(y)", f"y = {CALL}\nreturn self.fc(y)"),
    "an argument of what is migrated": (
        "return torch.relu(torch.foo(x))",
        f"return ops.relu({CALL})",
    ),
    "one with something in it that could be migrated": (
        "return torch.foo(torch.relu(x), x.size(0))",
        "return not_migrated('line 12: torch.foo(torch.relu(x), x.size(0))', "
        "'no rule yet for `torch.foo`')",
    ),
    "a long one, which is cut": (
        f"return torch.foo(x, {'x, ' * 30}x)",
        f"return not_migrated('line 12: torch.foo({'x, ' * 16}x,...', '{REASON}')",
    ),
    "one of several lines": (
        "return torch.foo(\n    x,\n)",
        f"return not_migrated('line 12: torch.foo( x, )', '{REASON}')",
    ),
    "quotes of both kinds": (
        "return torch.foo(x, \"a'b\", 'c')",
        """return not_migrated('line 12: torch.foo(x, "a\\'b", \\'c\\')', """ + f"'{REASON}')",
    ),
    "quotes of the file's own kind": (
        "return torch.foo(x, 'a')",
        f"return not_migrated(\"line 12: torch.foo(x, 'a')\", '{REASON}')",
    ),
    "letters that the file's encoding may lack": (
        "return torch.foo(x, 'ä')",
        f"return not_migrated(\"line 12: torch.foo(x, '\\xe4')\", '{REASON}')",
    ),
    "a name that is no call": (
        "return isinstance(x, torch.foo)",
        f"return isinstance(x, not_migrated('line 12: torch.foo', '{REASON}'))",
    ),
    "a branch": ("return torch.foo(x) if x is None else x", f"return {CALL} if x is None else x"),
    "an f-string around it": (
        "print(f'{torch.relu(x)}: {torch.foo(x)}')\nreturn x",
        "print(not_migrated(\"line 12: f'{torch.relu(x)}: {torch.foo(x)}'\", "
        "'the call stands inside an f-string: put it into a variable first'))\nreturn x",
    ),
    "a manager": ("with torch.foo(x):\n    return x", f"with {CALL}:\n    return x"),
    "a lambda": (
        "return [one for one in map(lambda x: torch.foo(x), x)]",
        f"return [one for one in map(lambda x: {CALL}, x)]",
    ),
    "a decorator of a function inside": (
        "@torch.foo(x)\ndef f():\n    pass\nreturn f",
        f"@{CALL}\ndef f():\n    pass\nreturn f",
    ),
    "an attribute that is assigned to": (
        "self.fc.weight.data = torch.relu(x)\nreturn x",
        "not_migrated('line 12: self.fc.weight.data = torch.relu(x)', "
        "'`self.fc.weight.data` is assigned to: write it by hand')\nreturn x",
    ),
    "an attribute among others": (
        "self.a, self.fc.weight.data = x, x\nreturn x",
        "not_migrated('line 12: self.a, self.fc.weight.data = x, x', "
        "'`self.fc.weight.data` is assigned to: write it by hand')\nreturn x",
    ),
    "the end of a try": (
        "try: pass\nfinally: torch.foo(x)\nreturn x",
        f"try: pass\nfinally: {CALL.replace('12', '13')}\nreturn x",
    ),
}

STAYS = {
    "a default": ("", "def f(self, x=torch.foo()):\n    pass", "it is evaluated on import"),
    "an annotation": ("", "def f(self, x: torch.foo):\n    pass", "it is evaluated on import"),
    "a decorator": ("", "@torch.foo\ndef f(self, x):\n    pass", "it is evaluated on import"),
    "a statement of the class": ("", "table = torch.foo()", "it is evaluated on import"),
    "a lambda's default": ("", "f = lambda x=torch.foo(): x", "it is evaluated on import"),
    "a pattern": (
        "",
        "def f(self, x):\n    match x:\n        case torch.foo():\n            pass",
        "it is a pattern",
    ),
    "a block that catches errors": (
        "",
        "def f(self, x):\n    try:\n        return torch.foo(x)\n    except Exception:\n"
        "        return x",
        "what is around it catches errors",
    ),
    "a block that suppresses errors": (
        "import contextlib\n",
        "def f(self, x):\n    with contextlib.suppress(RuntimeError):\n        x = torch.foo(x)\n"
        "    return x",
        "what is around it catches errors",
    ),
    "an attribute that a loop assigns to": (
        "",
        "def f(self, x):\n    for self.fc.weight.data in x:\n        pass",
        "it is assigned to by a loop or block",
    ),
    "a comment": (
        "",
        "def f(self, x):\n    return torch.foo(\n        x,  # the input\n    )",
        "a comment stands in it",
    ),
    "a function that the module calls": (
        "def made():\n    return torch.foo()\n\n\nMADE = made()\n",
        "def f(self, x):\n    return made()",
        "the module calls it on import",
    ),
    "a function that such a function calls": (
        "def inner():\n    return torch.foo()\n\n\ndef made():\n    return inner()\n\n\n"
        "if MADE:\n    made()\n",
        "def f(self, x):\n    return made()",
        "the module calls it on import",
    ),
    "a function that decorates": (
        "def known(one):\n    return torch.foo(one)\n\n\n@known\nclass Other:\n    pass\n",
        "def f(self, x):\n    return known(x)",
        "the module calls it on import",
    ),
}


def source(body: str = "return torch.foo(x)", above: str = "", more: str = "") -> str:
    return NET.format(
        above=above, body=textwrap.indent(body, " " * 8), more=textwrap.indent(more, "    ")
    )


def left(result: FileResult) -> list[Site]:
    return [one for one in result.sites if one.status is not Status.MIGRATED]


@pytest.mark.parametrize(("body", "after"), RAISES.values(), ids=RAISES)
def test_what_cannot_be_migrated_raises(body: str, after: str) -> None:
    result = migrate_source(source(body), partial=True)
    assert textwrap.indent(after, " " * 8) in str(result.after)
    assert "class Net(nn.Cell)" in str(result.after) and result.whole is False
    names = {one.id for one in ast.walk(ast.parse(str(result.after))) if isinstance(one, ast.Name)}
    assert "torch" not in names and "import torch" not in str(result.after)
    assert all("raises" in site.message for site in left(result)) and left(result)


@pytest.mark.parametrize(("above", "more", "why"), STAYS.values(), ids=STAYS)
def test_a_class_stays_torchs_where_a_call_could_not_raise(above: str, more: str, why: str) -> None:
    result = migrate_source(source("return x", above, more), partial=True)
    assert result.after == result.before
    assert any(f"(and it cannot raise: {why})" in site.message for site in result.sites)


TREES = {
    "a function of another file that a model uses": (
        {"parts.py": "import torch\n\n\ndef part(x):\n    return torch.foo(x)\n"},
        "from parts import part\n",
        "return part(x)",
    ),
    "what such a function uses": (
        {
            "parts.py": "import torch\n\n\ndef inner(x):\n    return torch.foo(x)\n\n\n"
            "def part(x):\n    return inner(x)\n"
        },
        "import parts\n",
        "return parts.part(x)",
    ),
    "one behind a third file": (
        {
            "more.py": "import torch\n\n\ndef inner(x):\n    return torch.foo(x)\n",
            "parts.py": "from more import inner\n\n\ndef part(x):\n    return inner(x)\n",
        },
        "from parts import part\n",
        "return part(x)",
    ),
    "a model of another file": (
        {"parts.py": source("return torch.foo(x)").replace("Net", "Part")},
        "from parts import Part\n",
        "return Part()(x)",
    ),
}


def tree(root: Path, files: dict[str, str]) -> Path:
    (root / ".git").mkdir()
    for name, text in files.items():
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(("others", "above", "body"), TREES.values(), ids=TREES)
def test_what_models_use_of_other_files_raises(
    tmp_path: Path, others: dict[str, str], above: str, body: str
) -> None:
    files = {**others, "net.py": source(body, above), "lone.py": LONE}
    run = migrate_paths(tree(tmp_path, files), partial=True)
    after = {Path(one.path).name: str(one.after) for one in run.files}
    assert sum("return not_migrated('line" in text for text in after.values()) == 1
    assert "class Net(nn.Cell)" in after["net.py"]
    assert after["lone.py"] == "None"


LONE = "import torch\n\n\ndef train(net, x):\n    return torch.foo(net(x))\n"
"""A function that no model uses: there is nothing to gain by letting it raise."""


def test_a_model_of_a_file_that_the_run_does_not_name_asks_for_it(tmp_path: Path) -> None:
    others, above, body = TREES["a function of another file that a model uses"]
    root = tree(tmp_path, {**others, "net.py": source(body, above)})
    (result,) = migrate_paths(root / "net.py", partial=True).files
    assert result.after == result.before
    assert any("name parts.py in the run, too" in site.message for site in result.sites)


OTHERWISE = {
    "a site that is switched off": (source("return torch.foo(x)  # tm2ms: ignore"), {}),
    "a name that is switched off": (source(), {"ignore": ["torch.nn.Linear"]}),
    "what is not selected": (source(), {"select": ["layers"]}),
    "what only --unsafe writes": (
        source(more="    def f(self, mode):\n"
               "        return nn.Conv2d(3, 3, 3, padding=1, padding_mode=mode)"), {},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "settings"), OTHERWISE.values(), ids=OTHERWISE)
def test_what_is_left_for_another_reason_keeps_its_class_torchs(
    text: str, settings: dict[str, list[str]]
) -> None:
    result = migrate_source(text, partial=True, select=settings.get("select"),
                            ignore=settings.get("ignore"))  # fmt: skip
    assert "class Net(nn.Module)" in str(result.after)
    assert "not_migrated" not in str(result.after)


def test_without_it_the_class_stays_torchs() -> None:
    assert migrate_source(source()).after == source()


def test_the_report_says_what_raises_and_what_went_with_it() -> None:
    result = migrate_source(source("return torch.foo(torch.relu(x)) + x.data_ptr()"), partial=True)
    call = "not_migrated('line 12: torch.foo(torch.relu(x))', 'no rule yet for `torch.foo`')"
    assert [(one.status, one.message, one.after) for one in left(result)][:2] == [
        (Status.UNCOVERED, f"{REASON}; so it raises where it is reached", call),
        (
            Status.UNCOVERED,
            "it stands inside `torch.foo(torch.relu(x))`, which raises",
            None,
        ),
    ]


def test_code_that_stays_torchs_keeps_its_imports() -> None:
    text = source() + f"\n\n{LONE.partition('import torch')[2].strip()}\n"
    after = str(migrate_source(text, partial=True).after)
    assert after.startswith("import torch\n") and "return torch.foo(net(x))" in after
    assert "return not_migrated('line 12: torch.foo(x)'" in after


def test_a_second_run_changes_nothing() -> None:
    once = str(migrate_source(source(), partial=True).after)
    assert migrate_source(once, partial=True).after in (None, once)


def test_a_notebook_names_no_lines_since_its_cells_have_their_own() -> None:
    text = notebook("import torch\nimport torch.nn as nn", source().partition("nn\n")[2])
    after = migrate_source(text, "net.ipynb", partial=True).after
    assert f"return not_migrated('torch.foo(x)', '{REASON}')" in str(after)
    json.loads(str(after))


def test_only_convolutions_and_it_do_not_go_together() -> None:
    with pytest.raises(UsageError, match="--partial is about classes, and only convolutions are"):
        migrate_source(source(), partial=True, select=["conv"])


COMMANDS = {
    "in place": (["--partial"], "", 1, True),
    "dry": (["--partial", "--check"], "", 1, False),
    "as a diff": (["--partial", "--diff"], "", 1, False),
    "by the configuration": ([], "[tool.tm2ms]\npartial = true\n", 1, True),
    "without it": ([], "", 0, False),
}


@pytest.mark.parametrize(
    ("flags", "settings", "code", "is_written"), COMMANDS.values(), ids=COMMANDS
)
def test_the_command_needs_a_person_where_something_raises(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    settings: str,
    code: int,
    is_written: bool,
) -> None:
    monkeypatch.chdir(tree(tmp_path, {"net.py": source(), "pyproject.toml": settings}))
    result = CliRunner().invoke(app, ["migrate", "-j1", *flags, "net.py"])
    assert result.exit_code == code
    assert ("not_migrated" in (tmp_path / "net.py").read_text()) == is_written
    wanted = "+        return not_migrated(" if "--diff" in flags else f"written: {CALL}"
    assert (wanted in result.stdout) == bool(code)
