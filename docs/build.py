"""Write the pages that show real output: `python docs/build.py`; `--check` says what is stale."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
SAMPLE = DOCS / "sample"

FORMATS = {
    "full": ("what a person reads: the source, why, and what to do", "text"),
    "concise": ("one line each, for editors and grep", "text"),
    "github": ("annotations of a GitHub job; also appends the Markdown to its summary", "text"),
    "gitlab": ("a code-quality report for merge requests", "json"),
    "markdown": ("a comment for a pull request", "markdown"),
    "json": ("everything, for programs; the schema is `mapper/report/schema2.json`", "json"),
    "sarif": ("SARIF 2.1.0 for code scanning; the rules' help pages are cut here", "json"),
}
SCHEMAS = """## From schema 1 to schema 2

`mapper/report/schema1.json` describes what earlier versions wrote, `schema2.json` what is written \
now. New in schema 2:

- `summary`: `whole`, the files with sites in which no torch is left; `uncovered`.
- files: `whole` (`null` where `--select` names convolutions only); `definitions`, which say what \
the attributes of classes may hold: `tm2ms checkpoint --report` holds a checkpoint against them.
- sites: `class` and `attribute`, for a call that builds a layer of a class (`Net`, `stem`); \
`body.0` is a layer in its place in a Sequential.
- the status `uncovered`, with the rule `TM000` and as `target` the counterpart that MindSpore's \
table names.
- the proof `rule`: no argument decides a number, and tests hold the rule to both frameworks.
- what `parameters` lists are all parameters and buffers, not only weights of convolutions."""

_ERROR = re.compile(r"(?<=error )[1-9.]+e-\d\d|(?<=max_abs_error\": )[1-9.]+e-\d\d")
_SECONDS = re.compile(r"(?<=; )\d+\.\d s")


def tm2ms(*arguments: str) -> tuple[str, str, int]:
    """Run one command on the sample; what differs from run to run is made the same."""
    env = {k: v for k, v in os.environ.items() if k not in ("GITHUB_STEP_SUMMARY", "NO_COLOR")}
    env |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "80"}
    ran = subprocess.run(
        [sys.executable, "-m", "mapper", *arguments],
        cwd=SAMPLE,
        env=env,
        capture_output=True,
        check=False,
    )
    out, err = (_same(stream.decode()) for stream in (ran.stdout, ran.stderr))
    return out, err, ran.returncode


def _same(text: str) -> str:
    return _SECONDS.sub("0.1 s", _ERROR.sub("1e-15", text))


def formats() -> str:
    """Return docs/formats.md."""
    parts = [
        "# Every format on the same file\n\nWritten by `python docs/build.py`, which runs the "
        "commands (times and rounding errors, which differ from run to run, are made the same). "
        "The file is [`sample/model.py`](sample/model.py):",
        _fenced((SAMPLE / "model.py").read_text("utf-8"), "python"),
    ]
    for name, (said, language) in FORMATS.items():
        flags = ("migrate", "--check", "--output-format", name, "model.py")
        out, err, code = tm2ms(*flags)
        shown = _cut(out) if name == "sarif" else out
        parts += [f"## {name}: {said}", _console(flags, code), _fenced(shown, language)]
        if name == "full":
            parts += ["and on standard error:", _fenced(err, "text")]
    for flags in (("migrate", "--diff", "model.py"), ("migrate", "--check", "-v", "--statistics")):
        out, err, code = tm2ms(*flags, *(() if "model.py" in flags else ("model.py",)))
        parts += [f"## {' '.join(flags[1:])}", _console(flags, code), _fenced(out, "diff")]
        parts += ["and on standard error:", _fenced(err, "text")] if "--statistics" in flags else []
    parts.append(SCHEMAS)
    parts.append(
        "## html\n\n`tm2ms migrate --check --report report.html model.py` writes one self-contained"
        " page: filters, search, a side-by-side diff and the proof of each site."
    )
    return "\n\n".join(parts) + "\n"


def _console(flags: tuple[str, ...], code: int) -> str:
    file = () if "model.py" in flags else ("model.py",)
    return f"`tm2ms {' '.join((*flags, *file))}` exits with {code} and prints:"


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _cut(text: str) -> str:
    log: dict[str, Any] = json.loads(text)
    for rule in log["runs"][0]["tool"]["driver"]["rules"]:
        rule["help"] = {key: f"{page.splitlines()[0]} …" for key, page in rule["help"].items()}
    return json.dumps(log, indent=2, ensure_ascii=False)


KEYS_WITHOUT_FLAG = {
    "per-file-ignores": 'What to ignore in which files: `{"tests/*" = ["TM1"]}`; `!` before a '
    "pattern means all other files.",
    "respect-gitignore": "Leave out what git ignores.",
}


def configuration() -> str:
    """Return docs/configuration.md."""
    from mapper.cli.show_settings import toml
    from mapper.running.config import _COMMAND_LINE_ONLY, Settings

    said = _flag_help()
    defaults = Settings()
    rows = []
    for name in Settings.__slots__:
        key, value = name.replace("_", "-"), getattr(defaults, name)
        shown = "not set" if value is None else f"`{toml(value)}`"
        shown = "the usual caches and builds" if name == "exclude" else shown
        flag = f"`--{key}`" if key in said else "-"
        where = "command line only" if name in _COMMAND_LINE_ONLY else "both"
        words = (said.get(key) or KEYS_WITHOUT_FLAG[key]).replace("|", "\\|")
        where = "file only" if flag == "-" else where
        rows.append(f"| `{key}` | {flag} | {shown} | {where} | {words} |")
    head = "| key | flag | default | where | meaning |"
    out, _, _ = tm2ms("migrate", "--show-settings", "--select", "TM1")
    return "\n\n".join(
        [
            "# Configuration",
            "Written by `python docs/build.py` from the settings themselves. The nearest "
            "`pyproject.toml` with a `[tool.tm2ms]` table is read, upwards from the working "
            "directory; its keys are the names of the flags, with dashes or underscores. A flag "
            "replaces the file's value. An unknown key or a wrong type is an error with the file, "
            "the line and the key (exit code 2). What names a place to write to is for the command "
            "line only: a repository must not decide that.",
            _fenced(
                '[tool.tm2ms]\ntarget-version = "2.7"\nselect = ["TM1"]\n'
                'extend-exclude = ["third_party"]\nper-file-ignores = {"tests/*" = ["TM101"]}',
                "toml",
            ),
            "\n".join([head, "|---|---|---|---|---|", *rows]),
            "## In the source",
            "- `# tm2ms: ignore` on the first or last line of a call leaves it; "
            "`# tm2ms: ignore[TM101, torch.nn.Conv1d]` only for these.\n"
            "- `# tm2ms: skip-file` on a line of its own leaves the whole file.\n"
            "- Comments that leave nothing are reported as notes. What is left has the status "
            "`ignored` and does not change the exit code.",
            "`--select` and `--ignore` take rule ids, beginnings of ids and torch names; where "
            "both mean a site, the more specific wins.",
            "## What is in force",
            "`tm2ms migrate --show-settings --select TM1` prints each value and its origin:",
            _fenced(re.sub(r"\[\".bzr.*?\]", '[".bzr", …]', out), "toml"),
        ]
    ) + "\n"  # fmt: skip


def _flag_help() -> dict[str, str]:
    """Return the help of each flag of `migrate` by its name."""
    from typer.main import get_command

    from mapper.cli.app import app

    command = get_command(app).commands["migrate"]  # type: ignore[attr-defined]
    return {
        option.lstrip("-"): parameter.help
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }


def pages() -> dict[Path, str]:
    """Return every page this writes."""
    return {DOCS / "formats.md": formats(), DOCS / "configuration.md": configuration()}


def main() -> int:
    """Write the pages, or say which are stale."""
    stale = [f for f, text in pages().items() if not f.exists() or f.read_text("utf-8") != text]
    for file in stale:
        print(file.relative_to(ROOT))
        if "--check" not in sys.argv[1:]:
            file.write_text(pages()[file], "utf-8")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
