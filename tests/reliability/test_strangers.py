"""What strangers put into names and sources, and into trees, through the real command line."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

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
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize("kind", FORMATS)
def test_names_and_sources_forge_nothing(tmp_path: Path, kind: str) -> None:
    for number, evil in enumerate(EVIL.values()):
        text = evil.replace("\n", "\\n").replace("\udcff\udcfe", "").replace("\x1b", "\\x1b")
        quoted = text.replace('"', '\\"').replace("\x85", "")
        name = f"{evil.replace('/', '_')[:60]}{number}.py"
        source = f'import torch.nn as nn\nc = nn.Conv2d(3, 8, 3, padding_mode="{quoted}")\n'
        (tmp_path / name).write_text(source, encoding="utf-8", newline="")
    done = tm2ms("migrate", "--check", "-v", "--output-format", kind, ".", cwd=tmp_path)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 1, err
    for number in range(len(EVIL)):
        assert f"{number}.py" in out, "a name is not in the report, so it was not tested"
    assert out.count("forged") >= len(EVIL)
    for stream in (out, err):
        assert "Traceback" not in stream
        assert not any(c not in "\n\t" and unicodedata.category(c) in HIDDEN for c in stream)
    if kind in ("json", "gitlab", "sarif"):
        json.loads(out)
    if kind == "github":
        assert not any(line.startswith("::error file=x::") for line in out.splitlines())


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
