"""Settings: defaults, the nearest pyproject.toml, flags, and what each mistake is told."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from mapper.running import config
from mapper.running.config import Config, ConfigError, Origin, Settings, load
from tests.shell import tm2ms


def write(directory: Path, *lines: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "pyproject.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def changed(found: Config) -> dict[str, Any]:
    """Return the settings that are not the default."""
    return {
        spec.name: getattr(found.settings, spec.name)
        for spec in fields(Settings)
        if getattr(found.settings, spec.name) != getattr(Settings(), spec.name)
    }


IGNORED_FILES = {
    "an empty file": [],
    "other tools only": ["[tool.ruff]", "line-length = 9"],
    "a project that only has our name": ["[project]", 'name = "tm2ms"'],
    "broken TOML that does not name us": ["[tool.ruff", "="],
    "a tool that is no table": ['tool = "tm2ms"'],
}


@pytest.mark.parametrize("lines", IGNORED_FILES.values(), ids=IGNORED_FILES.keys())
def test_a_file_without_our_table_changes_nothing(lines: list[str], tmp_path: Path) -> None:
    write(tmp_path, *lines)
    found = load(tmp_path)
    assert found.settings == Settings()
    assert set(found.origins.values()) == {Origin.DEFAULT}
    assert (found.file, found.root) == (None, tmp_path)


def test_an_empty_table_changes_no_value_but_is_in_force(tmp_path: Path) -> None:
    file = write(tmp_path, "[tool.tm2ms]")
    (tmp_path / "sub").mkdir()
    found = load(tmp_path / "sub")
    assert (found.settings, found.file, found.root) == (Settings(), file, tmp_path)


def test_the_defaults_are_those_of_the_contract() -> None:
    assert (Settings().target_version, Settings().device, Settings().recipe) == (
        "2.10",
        "any",
        "exact",
    )
    assert (Settings().output_format, Settings().jobs, Settings().unsafe) == ("full", None, False)
    assert ".venv" in Settings().exclude


def test_settings_origins_and_checks_know_the_same_names(tmp_path: Path) -> None:
    known = [spec.name for spec in fields(Settings)]
    assert list(config._CHECKS) == known
    assert list(load(tmp_path).origins) == known
    assert set(known) > config._COMMAND_LINE_ONLY


VALUES = {
    "string": ('device = "ascend"', {"device": "ascend"}),
    "boolean": ("unsafe = true", {"unsafe": True}),
    "number": ("jobs = 3", {"jobs": 3}),
    "list": ('select = ["TM1", "torch.nn.Conv2d"]', {"select": ("TM1", "torch.nn.Conv2d")}),
    "empty list that clears a default": ("exclude = []", {"exclude": ()}),
    "dashes": ('target-version = "2.1"', {"target_version": "2.1"}),
    "underscores": ('target_version = "2.0"', {"target_version": "2.0"}),
    "quoted key": ('"output-format" = "sarif"', {"output_format": "sarif"}),
    "verbose as true": ("verbose = true", {"verbose": 1}),
    "verbose as a level": ("verbose = 2", {"verbose": 2}),
    "table": (
        'per-file-ignores = {"tests/*" = ["TM101"]}',
        {"per_file_ignores": {"tests/*": ("TM101",)}},
    ),
}


@pytest.mark.parametrize("case", VALUES.values(), ids=VALUES.keys())
def test_a_value_of_the_file_is_read(case: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    write(tmp_path, "[tool.tm2ms]", case[0])
    found = load(tmp_path)
    assert changed(found) == case[1]
    assert [name for name, origin in found.origins.items() if origin == "file"] == list(case[1])


PLACES = {
    "a directory": ("output", '"victim"'),
    "a file for the report": ("output-file", '"victim/kept.txt"'),
    "the same with an underscore": ("output_file", '"victim/kept.txt"'),
    "reports": ("report", '["victim/kept.md"]'),
    "a place to send sources to": ("dask", '"tcp://192.0.2.1:1"'),
}


@pytest.mark.parametrize("flags", [["--check"], ["--diff"], []], ids=["check", "diff", "in place"])
@pytest.mark.parametrize("case", PLACES.values(), ids=PLACES)
def test_a_repository_does_not_decide_where_to_write(
    case: tuple[str, str], flags: list[str], tmp_path: Path
) -> None:
    key, value = case
    write(tmp_path, "[tool.tm2ms]", f"{key} = {value}")
    victims = [tmp_path / "victim" / name for name in ("kept.txt", "kept.md")]
    victims[0].parent.mkdir()
    for victim in victims:
        victim.write_text("kept")
    source = tmp_path / "a.py"
    source.write_text("import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n")
    before = source.read_text()
    ran = tm2ms("migrate", *flags, ".", cwd=tmp_path)
    assert ran.returncode == 2
    assert f"pyproject.toml:2: [tool.tm2ms] '{key}' belongs on the command line" in str(ran.stderr)
    assert f"--{key.replace('_', '-')}; remove it" in str(ran.stderr)
    assert [victim.read_text() for victim in victims] == ["kept", "kept"]
    assert source.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "pyproject.toml", "victim"]


def test_every_setting_may_be_written_in_the_file_unless_it_is_a_mode_or_a_place(
    tmp_path: Path,
) -> None:
    samples: dict[str, str] = {
        "recipe": '"table"',
        "unsafe": "true",
        "partial": "true",
        "select": '["TM1"]',
        "ignore": '["TM1"]',
        "per_file_ignores": '{"*" = []}',
        "target_version": '"2.3"',
        "device": '"gpu"',
        "exclude": '["a"]',
        "extend_exclude": '["a"]',
        "force_exclude": "true",
        "respect_gitignore": "false",
        "jobs": "2",
        "output_format": '"json"',
        "exit_zero": "true",
        "statistics": "true",
        "quiet": "true",
        "verbose": "1",
        "require": '"whole"',
    }
    assert samples.keys() == config._CHECKS.keys() - config._COMMAND_LINE_ONLY
    write(tmp_path, "[tool.tm2ms]", *(f"{name} = {value}" for name, value in samples.items()))
    assert changed(load(tmp_path)).keys() == samples.keys()


def test_the_nearest_file_with_our_table_wins_alone(tmp_path: Path) -> None:
    write(tmp_path, "[tool.tm2ms]", 'device = "gpu"', "jobs = 2")
    nearest = write(tmp_path / "a", "[tool.tm2ms]", 'device = "cpu"')
    write(tmp_path / "a/b", "[tool.ruff]")
    (tmp_path / "a/b/c").mkdir()
    found = load(tmp_path / "a/b/c")
    assert found.file == nearest
    assert changed(found) == {"device": "cpu"}


def test_a_file_and_a_missing_directory_are_places_to_start_from(tmp_path: Path) -> None:
    write(tmp_path, "[tool.tm2ms]", "jobs = 2")
    (tmp_path / "a.py").touch()
    assert load(tmp_path / "a.py").settings.jobs == 2
    assert load(tmp_path / "a.py" / "b").settings.jobs == 2
    assert load(tmp_path / "gone" / "x.py").settings.jobs == 2


def test_flags_beat_the_file_and_none_is_no_flag(tmp_path: Path) -> None:
    write(tmp_path, "[tool.tm2ms]", 'device = "gpu"', "jobs = 2", 'select = ["TM1"]')
    found = load(
        tmp_path,
        {
            "device": "cpu",
            "jobs": None,
            "check": True,
            "report": [Path("a.md")],
            "exit_zero": False,
        },
    )
    assert changed(found) == {
        "device": "cpu",
        "jobs": 2,
        "check": True,
        "select": ("TM1",),
        "report": (Path("a.md"),),
    }
    assert {name: str(origin) for name, origin in found.origins.items() if origin != "default"} == {
        "device": "flag",
        "jobs": "file",
        "select": "file",
        "check": "flag",
        "report": "flag",
        "exit_zero": "flag",
    }


MISTAKES = {
    "unknown key with a near one": (
        'taget-version = "2.3"',
        "unknown key 'taget-version'; did you mean 'target-version'?",
    ),
    "unknown key with underscores": ("force_excludes = true", "did you mean 'force-exclude'?"),
    "unknown key unlike any": ("zzz = 1", "unknown key 'zzz'; known are recipe, unsafe, "),
    "unknown table": ("[tool.tm2ms.rules]", "unknown key 'rules'"),
    "a mode of the command line": (
        "check = true",
        "'check' belongs on the command line: --check; remove it",
    ),
    "both spellings": (
        'target-version = "2.3"\ntarget_version = "2.3"',
        "'target_version' is given twice",
    ),
    "string for boolean": ('unsafe = "yes"', "'unsafe' must be true or false, not 'yes'"),
    "number for boolean": ("unsafe = 1", "'unsafe' must be true or false, not 1"),
    "boolean for number": ("jobs = true", "'jobs' must be a whole number, at least 1, not True"),
    "no jobs": ("jobs = 0", "'jobs' must be a whole number, at least 1, not 0"),
    "negative level": (
        "verbose = -1",
        "'verbose' must be true, false or a number of levels, not -1",
    ),
    "string for list": ('select = "TM1"', "'select' must be a list of strings, not 'TM1'"),
    "list of numbers": ("ignore = [1]", r"'ignore' must be a list of strings, not \[1\]"),
    "unknown choice": (
        'device = "tpu"',
        "'device' must be one of any, cpu, gpu, ascend, not 'tpu'",
    ),
    "number for choice": ("recipe = 1", "'recipe' must be one of exact, table, not 1"),
    "unquoted version": (
        "target-version = 2.10",
        'must be in quotes, since 2.10 without them is a number to TOML: "2.10", not 2.1',
    ),
    "unknown version": ('target-version = "2.11"', "must be one of 2.0, 2.1, .*2.10, not '2.11'"),
    "version with a patch": ('target-version = "2.3.0"', "must be one of"),
    "a place to write to": (
        'report = "a.md"',
        "'report' belongs on the command line, since it names a place to write to: --report",
    ),
    "more processes than can start": ("jobs = 1000000", "'jobs' must be at most 256, not 1000000"),
    "list for table": ("per-file-ignores = []", "'per-file-ignores' must be a table like"),
    "string in table": (
        'per-file-ignores = {"a" = "TM1"}',
        "'per-file-ignores' of 'a' must be a list of strings",
    ),
    "a very long value": (f'device = "{"x" * 500}"', "not 'x{59}…$"),
}


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_names_file_line_key_and_remedy(case: tuple[str, str], tmp_path: Path) -> None:
    file = write(tmp_path, "[tool.other]", "jobs = 0", 'device = ""', "[tool.tm2ms]", "", case[0])
    with pytest.raises(ConfigError, match=case[1]) as caught:
        load(tmp_path)
    line = 7 if "twice" in case[1] else 6
    assert str(caught.value).startswith(f"{file}:{line}: [tool.tm2ms] ")


BROKEN = {
    "not TOML": (b"[tool.tm2ms]\nx = = 1\n", "not valid TOML: .*line 2"),
    "not UTF-8": (b"[tool.tm2ms]\n# \xff\n", "not valid UTF-8 at byte 15"),
    "no table": (b'[tool]\ntm2ms = "x"\n', r"tool.tm2ms must be a table: \[tool.tm2ms\]"),
    "nesting without end": (b"[tool.tm2ms]\nx = " + b"[" * 9000, "nested too deeply"),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named(case: tuple[bytes, str], tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_bytes(case[0])
    with pytest.raises(ConfigError, match=case[1]) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{file}: ")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(ConfigError, match=r"pyproject\.toml: cannot be read: Is a directory"):
        load(tmp_path)


FLAG_MISTAKES = {
    "wrong choice": (
        {"output_format": "xml"},
        "^--output-format must be one of full, .* not 'xml'",
    ),
    "wrong version": ({"target_version": "3"}, "^--target-version must be one of"),
    "an empty path": ({"output_file": ""}, "^--output-file must be a path, not ''"),
    "a report without a list": ({"report": "a.md"}, "^--report must be a list of paths"),
    "a report of an unknown kind": (
        {"report": ["a.pdf"]},
        r"'a.pdf' must end in one of \.html, \.md, \.json, \.sarif",
    ),
    "no jobs": ({"jobs": 0}, "^--jobs must be a whole number, at least 1, not 0"),
    "unknown name": ({"recip": "table"}, "unknown setting 'recip'; did you mean 'recipe'"),
}


@pytest.mark.parametrize("case", FLAG_MISTAKES.values(), ids=FLAG_MISTAKES.keys())
def test_a_mistake_in_a_flag_names_the_flag(
    case: tuple[dict[str, object], str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=case[1]):
        load(tmp_path, case[0])


def test_settings_pickle_for_the_worker_processes() -> None:
    settings = replace(Settings(), per_file_ignores={"a": ("TM1",)}, report=(Path("a.md"),))
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_tomllib_is_imported_only_for_a_file_that_names_us(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mapper.running.config import load; "
        "load(Path(sys.argv[1])); print('tomllib' in sys.modules, 'difflib' in sys.modules)"
    )

    def imported() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=Path(config.__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    write(tmp_path, "[tool.ruff]")
    assert imported() == "False False"
    write(tmp_path, "[tool.tm2ms]")
    assert imported() == "True False"
