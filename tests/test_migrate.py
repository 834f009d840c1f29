"""What the contract says of every file: sites, spans, statuses, a second run, and the goldens.

`TM2MS_UPDATE_GOLDEN=1 pytest tests/test_migrate.py` writes the golden files anew.
"""

from __future__ import annotations

import ast
import json
import os
from functools import cache
from pathlib import Path

import pytest

from mapper.files.source import LineIndex, decode
from mapper.model.options import Options
from mapper.model.results import FileResult, FileStatus, Run, Site, Status
from mapper.report.as_json import site_values
from mapper.running.file import Task, process
from tests.counter import count
from tests.tool import migrate, only, rewritten

ROOT = Path(__file__).parent.parent
FIXTURES, GOLDEN = ROOT / "fixtures", ROOT / "tests" / "golden"
FILES = {
    path.relative_to(FIXTURES).as_posix().replace("/input", ""): path
    for path in sorted([*FIXTURES.rglob("*.py"), *FIXTURES.rglob("*.ipynb")])
    if "golden" not in path.parts
}
MODULES = {name: path for name, path in FILES.items() if path.suffix == ".py"}
fixtures = pytest.mark.parametrize("name", FILES)
modules = pytest.mark.parametrize("name", MODULES)

IS_CHECKED = Run((), "2.10")
"""Says which statuses are written."""


@cache
def result(name: str, recipe: str = "exact") -> FileResult:
    return process(Task(name, FILES[name].read_bytes()), Options(recipe=recipe, select=("conv",)))


def output(name: str, recipe: str = "exact") -> bytes:
    encoded = result(name, recipe).encoded()
    return FILES[name].read_bytes() if encoded is None else encoded


def text_of(data: bytes) -> str:
    return decode(data).text


# --- fixtures -------------------------------------------------------------------------------------


def check_golden(name: str, data: bytes) -> None:
    path = GOLDEN / name
    if os.environ.get("TM2MS_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert path.read_bytes() == data, f"see {path}; TM2MS_UPDATE_GOLDEN=1 renews it"


def told(site: Site) -> dict[str, object]:
    """Return what a golden file keeps of a site."""
    kept = ("rule", "status", "line", "column", "cell", "message", "assumptions")
    return {key: value for key, value in site_values(site).items() if key in kept}


def test_there_are_fixtures() -> None:
    assert len(FILES) > 30


@fixtures
def test_the_output_is_the_golden_one(name: str) -> None:
    check_golden(f"{name}.out", output(name))


@fixtures
def test_the_sites_are_the_golden_ones(name: str) -> None:
    listed = [told(site) for site in result(name).sites]
    check_golden(f"{name}.sites.json", json.dumps(listed, indent=1, ensure_ascii=False).encode())


def test_no_golden_file_is_left_over() -> None:
    wanted = {f"{name}{end}" for name in FILES for end in (".out", ".sites.json")}
    found = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.*")}
    assert found - {".gitattributes"} == wanted


@fixtures
@pytest.mark.parametrize("recipe", ["exact", "table"])
def test_a_second_run_changes_nothing(name: str, recipe: str) -> None:
    again = process(Task(name, output(name, recipe)), Options(recipe=recipe, select=("conv",)))
    assert again.status is FileStatus.UNCHANGED
    assert not any(IS_CHECKED.is_written(site) and is_call(site) for site in again.sites)


@modules
def test_the_result_parses(name: str) -> None:
    ast.parse(text_of(output(name)))


@modules
def test_no_reference_vanishes_from_the_report(name: str) -> None:
    sites = [site for site in result(name).sites if site.through is None]
    assert len(sites) == count(text_of(FILES[name].read_bytes()))


@modules
def test_what_was_not_written_is_what_is_still_found(name: str) -> None:
    sites = [site for site in result(name).sites if site.through is None]
    left = [
        site
        for site in sites
        if not IS_CHECKED.is_written(site) or site.message.startswith("tests for")
    ]
    assert len(left) == count(text_of(output(name)))


@modules
def test_the_spans_cut_out_the_source(name: str) -> None:
    check_spans(text_of(FILES[name].read_bytes()), result(name).sites)


@fixtures
def test_the_status_says_whether_there_is_a_rewrite_and_a_proof(name: str) -> None:
    for site in result(name).sites:
        check_status(site)


def test_the_untouched_project_has_no_site() -> None:
    names = [name for name in FILES if name.startswith("untouched/")]
    assert names
    assert all(result(n).status is FileStatus.UNCHANGED and not result(n).sites for n in names)


def check_spans(text: str, sites: tuple[Site, ...]) -> None:
    index = LineIndex(text)
    for site in sites:
        start = index.line_start(site.span.line) + site.span.column - 1
        end = index.line_start(site.span.end_line) + site.span.end_column - 1
        assert text[start:end] == site.before


def is_call(site: Site) -> bool:
    """Say whether a call was replaced; a type test keeps torch's class beside MindSpore's."""
    return site.before.endswith(")")


def check_status(site: Site) -> None:
    if site.status is Status.MIGRATED and not is_call(site):
        assert site.after is None or site.before in site.after
    elif site.status is Status.MIGRATED:
        assert site.after is not None
        assert site.proof.kind in ("exact", "sampled") and site.proof.cases > 0
        assert site.proof.max_abs_error is not None and site.proof.max_abs_error < 1e-6
        assert site.parameters or "functional" in site.api
    elif site.status is Status.MANUAL:
        assert site.message
        assert (site.after, site.proof.kind, dict(site.parameters)) == (None, "none", {})


# --- places and nesting ---------------------------------------------------------------------------

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
NEW = "pad_mode='valid', has_bias=True"

NESTED = {
    "in Sequential": (
        "nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1))",
        f"nn.Sequential(ms_nn.Conv2d(3, 8, 3, {NEW}), nn.ReLU(), ms_nn.Conv2d(8, 8, 1, {NEW}))",
    ),
    "in weight_norm": (
        "weight_norm(nn.Conv1d(3, 8, 3))",
        f"weight_norm(ms_nn.Conv1d(3, 8, 3, {NEW}))",
    ),
    "in a comprehension": (
        "[nn.Conv2d(c, c, 3) for c in (4, 8)]",
        f"[ms_nn.Conv2d(c, c, 3, {NEW}) for c in (4, 8)]",
    ),
    "in a lambda": ("lambda c: nn.Conv2d(c, c, 3)", f"lambda c: ms_nn.Conv2d(c, c, 3, {NEW})"),
    "in a dict": ("{'a': nn.Conv2d(3, 8, 3)}", f"{{'a': ms_nn.Conv2d(3, 8, 3, {NEW})}}"),
    "with a call behind": (
        "nn.Conv2d(3, 8, 3).requires_grad_(False).to(dev)",
        f"ms_nn.Conv2d(3, 8, 3, {NEW}).requires_grad_(False).to(dev)",
    ),
    "in a conditional": (
        "nn.Conv2d(3, 8, 3) if a else nn.ConvTranspose2d(3, 8, 3)",
        f"ms_nn.Conv2d(3, 8, 3, {NEW}) if a else ms_nn.Conv2dTranspose(3, 8, 3, {NEW})",
    ),
    "in a walrus": ("(w := nn.Conv2d(3, 8, 3))", f"(w := ms_nn.Conv2d(3, 8, 3, {NEW}))"),
}


@pytest.mark.parametrize(("before", "after"), NESTED.values(), ids=NESTED)
def test_a_nested_call_is_rewritten_in_place(before: str, after: str) -> None:
    text = f"{HEAD}x = {before}\nnn.Linear, torch.zeros, F.relu\n"
    assert f"\nx = {after}\n" in rewritten(text)


VALID = "pad_mode='valid'"
COMPOSED = {
    "a function of a function": (
        "F.conv2d(F.conv2d(x, w), v, stride=2)",
        f"ms_ops.conv2d(ms_ops.conv2d(x, w, {VALID}), v, stride=2, {VALID})",
    ),
    "a function in a keyword": (
        "F.conv2d(weight=v, input=F.conv2d(x, w, groups=g))",
        f"ms_ops.conv2d(weight=v, input=ms_ops.conv2d(x, w, groups=g, {VALID}), {VALID})",
    ),
    "three levels": (
        "F.conv1d(F.conv1d(F.conv1d(x, w), w, padding=1), w)",
        f"ms_ops.conv1d(ms_ops.conv1d(ms_ops.conv1d(x, w, {VALID}), w, pad_mode='pad', padding=1), "
        f"w, {VALID})",
    ),
    "an argument that is written otherwise": (
        "nn.Conv2d(3, 8, [nn.Conv2d(3, 8, 3).k, 3])",
        f"ms_nn.Conv2d(3, 8, (ms_nn.Conv2d(3, 8, 3, {NEW}).k, 3), {NEW})",
    ),
    "layers in containers in containers": (
        "nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(nn.Conv2d(8, 8, 3)))",
        f"nn.Sequential(ms_nn.Conv2d(3, 8, 3, {NEW}), nn.Sequential(ms_nn.Conv2d(8, 8, 3, {NEW})))",
    ),
    "over several lines, with a comment": (
        "F.conv2d(\n    F.conv2d(x, w),  # first\n    v,\n    stride=2,\n)",
        f"ms_ops.conv2d(\n    ms_ops.conv2d(x, w, {VALID}),  # first\n"
        f"    v,\n    stride=2,\n    {VALID},\n)",
    ),
}


@pytest.mark.parametrize(("before", "after"), COMPOSED.values(), ids=COMPOSED)
def test_a_call_and_the_calls_in_its_arguments_are_rewritten_together(
    before: str, after: str
) -> None:
    text = f"{HEAD}y = {before}\nnn.Linear, torch.zeros, F.relu\n"
    assert f"\ny = {after}\n" in rewritten(text)
    assert {site.status for site in migrate(text).sites} == {Status.MIGRATED}


NOT_WRITTEN = {
    "a star": ("nn.Conv2d(*sizes)", "`*` arguments"),
    "an opaque double star": ("nn.Conv2d(3, 8, 3, **options)", "`**options` may hold"),
    "an unknown keyword": ("nn.Conv2d(3, 8, 3, wrong=1)", "`wrong`"),
    "a missing argument": ("nn.Conv2d(3, 8)", "`kernel_size`"),
    "an alias that is called elsewhere": ("register(nn.Conv2d)", "`nn.Conv2d`"),
    "an f-string": ("f'{nn.Conv2d(3, 8, 3)}'", "f-string"),
    "a lazy class": ("nn.LazyConv2d(8, 3)", "in_channels"),
    "a negative padding": ("nn.Conv2d(3, 8, 3, padding=-1)", "torch refuses"),
    "a kernel of zero": ("nn.Conv2d(3, 8, 0)", ""),
    "a huge kernel": ("nn.Conv2d(3, 8, 10**9)", ""),
    "a power tower": ("nn.Conv2d(3, 8, 9**9**9**9)", ""),
    "a string as kernel": ("nn.Conv2d(3, 8, 'x')", ""),
    "nan as stride": ("nn.Conv2d(3, 8, 3, stride=1e999 - 1e999)", ""),
    "groups that do not divide": ("nn.Conv2d(3, 8, 3, groups=2)", ""),
    "an unknown padding_mode": ("nn.Conv2d(3, 8, 3, padding=1, padding_mode='x')", "'x'"),
    "same with a stride": ("nn.Conv2d(3, 8, 3, stride=2, padding='same')", ""),
    "too many values": ("nn.Conv2d(3, 8, (1, 2, 3))", "1 or 2 values"),
    "dilation in depth": ("nn.ConvTranspose3d(3, 8, 3, dilation=2)", "dilation"),
}


@pytest.mark.parametrize(("call", "words"), NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_what_cannot_be_proved_is_left_with_a_reason(call: str, words: str) -> None:
    text = f"{HEAD}x = {call}\n"
    site = only(text)
    check_status(site)
    assert site.status is Status.MANUAL
    assert words in site.message
    assert rewritten(text) == text


WRITTEN = {
    "everything known": ("nn.Conv2d(3, 8, 3, padding=1)", "exact"),
    "symbolic channels": ("nn.Conv2d(c, d, 3, padding=1)", "exact"),
    "a symbolic kernel": ("nn.Conv2d(3, 8, k, padding=k // 2)", "sampled"),
    "a symbolic bias": ("nn.Conv2d(3, 8, 3, bias=norm is None)", "sampled"),
}


@pytest.mark.parametrize(("call", "kind"), WRITTEN.values(), ids=WRITTEN)
def test_the_proof_says_what_was_known(call: str, kind: str) -> None:
    site = only(f"{HEAD}x = {call}\n")
    check_status(site)
    assert (site.status, site.proof.kind) == (Status.MIGRATED, kind)


def test_a_parameter_path_leads_into_the_sequential_cell() -> None:
    site = only(f"{HEAD}x = nn.Conv2d(3, 8, 3, padding=1, padding_mode='reflect')\n")
    assert {pair.path for pair in site.parameters.values()} == {"1.weight", "1.bias"}


def test_spans_count_characters_not_bytes() -> None:
    text = f"{HEAD}größe = '日本🎉', nn.Conv2d(3, 8, 3), nn.Conv2d(1, 2,\n  é)\n"
    sites = migrate(text).sites
    check_spans(text, sites)
    assert [(s.span.line, s.span.column) for s in sites] == [(4, 16), (4, 36)]
