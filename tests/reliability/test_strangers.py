"""What strangers put into names and sources, and into trees, through the real command line."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.shell import tm2ms

EVIL = {
    "a command for GitHub": "\n::error file=x::forged",
    "an escape of the terminal": "\x1b[2K\x1b[31mforged",
    "the end of a script": "</script><script>forged()<",
    "quotes and markup": "\"'`|<b>&[forged](x)",
    "bidi marks": "\u202eforged\u2066",
    "line separators": "\u2028forged\u2029\x85forged",
    "bytes that are no text": "\udcff\udcfeforged",
}
FORMATS = ("full", "concise", "json", "github", "gitlab", "sarif", "markdown")
REPORTS = ("html", "md", "json", "sarif")
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def plant(tree: Path, strings: Iterable[str]) -> None:
    """Put each string into a name, an argument and a comment, as Python and the system allow."""
    tree.mkdir()
    for number, evil in enumerate(strings):
        text = evil.encode("utf-8", "ignore").decode()
        comment = text.replace("\n", " ")
        quoted = comment.replace("\\", "").replace('"', '\\"')
        name = f"{evil.replace('/', '_')[:60]}{number}.py"
        call = f'c = nn.Conv2d(3, 8, 3, padding_mode="{quoted}")  # {comment}\n'
        source = f"import torch.nn as nn\n{call}# tm2ms: ignore[{comment}]\n"
        (tree / name).write_text(source, encoding="utf-8", newline="")


def is_clean(text: str) -> bool:
    """Say whether nothing in a report is hidden or moves the cursor."""
    return not any(c not in "\n\t" and unicodedata.category(c) in HIDDEN for c in text)


@pytest.mark.parametrize("kind", FORMATS)
def test_names_and_sources_forge_nothing(tmp_path: Path, kind: str) -> None:
    plant(tmp_path / "tree", EVIL.values())
    done = tm2ms("migrate", "--check", "-v", "--output-format", kind, ".", cwd=tmp_path / "tree")
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 1, err
    for number in range(len(EVIL)):
        assert f"{number}.py" in out, "a name is not in the report, so it was not tested"
    assert out.count("forged") >= len(EVIL)
    for stream in (out, err):
        assert "Traceback" not in stream
        assert is_clean(stream)
    if kind in ("json", "gitlab", "sarif"):
        json.loads(out)
    if kind == "github":
        assert not any(line.startswith("::error file=x::") for line in out.splitlines())


COMMANDS = {
    "a name that is a command": "::error::forged.py",
    "behind blanks": "  ::warning::forged.py",
    "of the older kind": "a##[error]forged.py",
}


KINDS = ("full", "concise", "json", "gitlab", "sarif")
RUNS = [(kind, ["--diff"]) for kind in KINDS[:2]]
RUNS += [(kind, flags) for kind in KINDS for flags in (["--check"], [])]


@pytest.mark.parametrize(("kind", "flags"), RUNS)
@pytest.mark.parametrize("evil", COMMANDS.values(), ids=COMMANDS)
def test_no_line_of_a_log_is_a_command(
    evil: str, kind: str, flags: list[str], tmp_path: Path
) -> None:
    call = f'c = nn.Conv2d(3, 8, 3, bias="""\n{evil}\n""", padding_mode=mode)  # {evil}\n'
    (tmp_path / evil).write_text(f"import torch.nn as nn\n{call}# tm2ms: ignore\n")
    (tmp_path / f"{evil} broken.py").write_text("import torch.nn as nn\nnn.Conv2d(\n")
    ran = tm2ms("migrate", *flags, "-v", "--output-format", kind, ".", cwd=tmp_path)
    assert ran.returncode == 2
    streams = [ran.stderr.decode()] + [ran.stdout.decode()] * (flags != ["--diff"])
    assert "forged.py" in "".join(streams)
    for line in "".join(streams).splitlines():
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


class Tags(HTMLParser):
    """The tags of a page, with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen = Counter[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[" ".join([tag, *sorted(name for name, _ in attrs)])] += 1


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every report of a tree of strangers, and of one without, written in one run each."""
    directory = tmp_path_factory.mktemp("reports")
    for name, strings in {"evil": EVIL.values(), "plain": ["forged"] * len(EVIL)}.items():
        plant(directory / name, strings)
        flags = [f"--report={directory / name}.{suffix}" for suffix in REPORTS]
        tm2ms("migrate", "--check", *flags, ".", cwd=directory / name)
    return directory


@pytest.mark.parametrize("suffix", REPORTS)
def test_report_files_are_not_forged_either(reports: Path, suffix: str) -> None:
    names = [reports / f"{name}.{suffix}" for name in ("evil", "plain")]
    evil, plain = (path.read_text(encoding="utf-8") for path in names)
    assert evil.count("forged") >= len(EVIL)
    assert is_clean(evil)
    if suffix in ("json", "sarif"):
        json.loads(evil)
    else:
        if suffix == "md":
            reader = MarkdownIt("commonmark", {"html": True}).enable("table")
            evil, plain = reader.render(evil), reader.render(plain)
        ours = Tags(plain).seen.keys()
        assert Tags(evil).seen.keys() == ours, "strangers brought tags with them"
        assert all(Tags(evil).seen[tag] == Tags(plain).seen[tag] for tag in ours - {"code"})


def test_a_summary_of_a_job_is_not_forged(tmp_path: Path) -> None:
    plant(tmp_path / "tree", EVIL.values())
    summary = tmp_path / "summary.md"
    tm2ms(
        "migrate", "--check", "--output-format", "github", ".",
        cwd=tmp_path / "tree", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    text = summary.read_text(encoding="utf-8")
    assert text.count("forged") >= len(EVIL)
    assert is_clean(text)


def test_a_symlink_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    source = "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n"
    outside, tree = tmp_path / "outside.py", tmp_path / "tree"
    outside.write_text(source)
    tree.mkdir()
    (tree / "link.py").symlink_to(outside)
    (tree / "own.py").write_text(source)
    tm2ms("migrate", "tree", cwd=tmp_path)
    assert outside.read_text() == source
    assert "mindspore" in (tree / "own.py").read_text()


def test_a_symlink_that_is_named_is_followed_and_stays_one(tmp_path: Path) -> None:
    outside, link = tmp_path / "outside.py", tmp_path / "tree" / "link.py"
    outside.write_text("import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n")
    link.parent.mkdir()
    link.symlink_to(outside)
    assert tm2ms("migrate", "tree/link.py", cwd=tmp_path).returncode == 0
    assert link.is_symlink()
    assert "mindspore" in outside.read_text()
    assert [path.name for path in link.parent.iterdir()] == ["link.py"]


@pytest.mark.parametrize("jobs", ["-j1", "-j2"])
def test_a_file_that_fails_is_reported_and_the_run_goes_on(tmp_path: Path, jobs: str) -> None:
    head = "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3"
    (tmp_path / "a_deep.py").write_text(head + "+1" * 10_000 + ")\n")
    (tmp_path / "b_broken.py").write_text(head + "\n")
    (tmp_path / "c_fine.py").write_text(head + ")\n")
    done = tm2ms("migrate", jobs, "--output-format", "json", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    found = {Path(f["path"]).name: f for f in json.loads(done.stdout)["files"]}
    assert [found[n]["status"] for n in sorted(found)] == ["failed", "failed", "changed"]
    assert "please report it" in found["a_deep.py"]["message"]
