"""`--target-version`: the written code is right for that release.

The figures of the runs on real old releases are in docs/versions.md.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from mapper.files.source import splice
from mapper.model.options import Options
from mapper.model.results import Site, Status
from mapper.rulebook.loader import load
from mapper.running.module import Migrator

VERSIONS = [f"2.{minor}" for minor in range(11)]
LATER = VERSIONS[1:]
WITH_DTYPE = VERSIONS[2:]
CLASSES = {
    "Conv1d(4, 8, 3)": 12, "Conv2d(4, 8, 3)": 36, "Conv3d(4, 8, 3)": 108,
    "ConvTranspose1d(4, 8, 3)": 24, "ConvTranspose2d(4, 8, 3)": 72, "ConvTranspose3d(4, 8, 3)": 216,
}  # fmt: skip
"""Calls, and how many elements of the weight feed one bias in torch."""


def _site(call: str, version: str) -> Site:
    (site,) = _migrator(version).migrate(_module(call)).sites
    after = site.after and site.after.replace("ms.common.initializer.", "")
    return replace(site, after=after)


def _module(call: str) -> str:
    return f"import torch\nfrom torch import nn\nfrom torch.nn import functional as F\nx = {call}\n"


def _migrator(version: str) -> Migrator:
    return Migrator(load(), Options(target_version=version, select=("conv",)))


# --- initialisers ---


@pytest.mark.parametrize(("call", "count"), CLASSES.items(), ids=CLASSES)
def test_version_2_0_gets_torchs_initialisers(call: str, count: int) -> None:
    site = _site(f"nn.{call}", "2.0")
    assert site.status is Status.MIGRATED
    assert "weight_init=HeUniform(5 ** 0.5)" in str(site.after)
    assert f"bias_init=Uniform({count} ** -0.5)" in str(site.after)


def test_the_initialisers_are_reached_through_an_import() -> None:
    text = _module("nn.Conv2d(4, 8, 3)")
    written = splice(text, _migrator("2.0").migrate(text).edits)
    assert "import mindspore as ms\n" in written
    assert "weight_init=ms.common.initializer.HeUniform(" in written


@pytest.mark.parametrize("version", LATER)
@pytest.mark.parametrize("call", CLASSES)
def test_later_versions_have_them_by_default(call: str, version: str) -> None:
    site = _site(f"nn.{call}", version)
    assert site.status is Status.MIGRATED
    assert "init" not in str(site.after)


def test_without_a_bias_only_the_weight_is_initialised() -> None:
    after = str(_site("nn.Conv2d(4, 8, 3, bias=False)", "2.0").after)
    assert "weight_init=" in after and "bias_init=" not in after


GROUPED = {
    "nn.Conv2d(4, 8, 3, groups=2)": "18",
    "nn.Conv2d(4, 8, (3, 1), groups=4)": "3",
    "nn.ConvTranspose2d(4, 8, 3, groups=2)": "36",
    "nn.ConvTranspose2d(4, 8, 2, groups=4)": "8",
    "nn.Conv2d(4, 8, 3, padding=1, padding_mode='circular')": "36",
}


@pytest.mark.parametrize("call", GROUPED)
def test_the_bound_counts_one_group(call: str) -> None:
    assert f"bias_init=Uniform({GROUPED[call]} ** -0.5)" in str(_site(call, "2.0").after)


def test_symbols_are_counted_in_the_source() -> None:
    after = str(_site("nn.Conv2d(cin, cout, k, groups=g)", "2.0").after)
    assert "bias_init=Uniform((cin // g * k * k) ** -0.5)" in after


def test_what_may_be_evaluated_only_once_is_noted() -> None:
    site = _site("nn.Conv2d(read(), 8, 3)", "2.0")
    assert "bias_init" not in str(site.after)
    assert "the bias starts at zero in MindSpore 2.0" in site.message


# --- dtype ---


@pytest.mark.parametrize("version", WITH_DTYPE)
def test_dtype_is_carried_over_where_it_exists(version: str) -> None:
    site = _site("nn.Conv2d(4, 8, 3, dtype=torch.float16)", version)
    assert site.status is Status.MIGRATED
    assert "dtype=ms.float16" in str(site.after)


@pytest.mark.parametrize("version", ["2.0", "2.1"])
@pytest.mark.parametrize("call", CLASSES)
def test_dtype_is_left_where_it_does_not(call: str, version: str) -> None:
    before = f"nn.{call[:-1]}, dtype=torch.float16)"
    site = _site(before, version)
    assert site.status is Status.MANUAL
    assert f"MindSpore {version} has no `dtype`" in site.message


@pytest.mark.parametrize("dtype", ["torch.float32", "torch.float", "None"])
@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_float32_needs_no_dtype(dtype: str, version: str) -> None:
    site = _site(f"nn.Conv2d(4, 8, 3, dtype={dtype})", version)
    assert site.status is Status.MIGRATED and "dtype" not in str(site.after)


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_a_symbolic_dtype_is_left_too(version: str) -> None:
    assert _site("nn.Conv2d(4, 8, 3, dtype=kind)", version).status is Status.MANUAL


# --- groups of 3-d transposed convolutions ---

GROUPS = {
    "nn.ConvTranspose3d(4, 8, 3, groups=2)": "refuses groups",
    "F.conv_transpose3d(x, w, groups=2)": "refuses groups",
}


@pytest.mark.parametrize("call", GROUPS)
def test_2_0_has_no_groups_in_3d(call: str) -> None:
    site = _site(call, "2.0")
    assert site.status is Status.MANUAL and GROUPS[call] in site.message


@pytest.mark.parametrize("version", LATER)
@pytest.mark.parametrize("call", GROUPS)
def test_later_versions_have_groups_in_3d(call: str, version: str) -> None:
    assert _site(call, version).status is Status.MIGRATED


def test_symbolic_groups_raise_in_2_0() -> None:
    site = _site("nn.ConvTranspose3d(4, 8, 3, groups=g)", "2.0")
    assert site.status is Status.MANUAL or "group" in " ".join(site.assumptions)


# --- Conv3d padding beyond the kernel ---

PADDED = {
    "nn.Conv3d(4, 8, 2, padding=2)": False,
    "nn.Conv3d(4, 8, 3, padding=3)": False,
    "nn.Conv3d(4, 8, (1, 3, 3), padding=(1, 0, 0))": False,
    "nn.Conv3d(4, 8, (1, 3, 3), padding=1, dilation=2)": False,
    "nn.Conv3d(4, 8, 3, padding=2)": True,
    "nn.Conv3d(4, 8, 3, padding=3, dilation=2)": True,
    "nn.Conv3d(4, 8, 2, padding=3, dilation=3)": True,
    "nn.Conv3d(4, 8, 2, padding=2, padding_mode='replicate')": True,
    "nn.Conv2d(4, 8, 2, padding=2)": True,
}
"""Measured: 2.0.0 takes a Conv3d padding only below dilation * (kernel_size - 1) + 1."""


@pytest.mark.parametrize("call", PADDED)
def test_2_0_takes_conv3d_padding_below_the_dilated_kernel(call: str) -> None:
    site = _site(call, "2.0")
    assert site.status is (Status.MIGRATED if PADDED[call] else Status.MANUAL), site.message
    if not PADDED[call]:
        assert "smaller than the dilated kernel" in site.message


@pytest.mark.parametrize("version", LATER)
@pytest.mark.parametrize("call", PADDED)
def test_later_versions_take_any_conv3d_padding(call: str, version: str) -> None:
    assert _site(call, version).status is Status.MIGRATED


# --- what is the same everywhere ---

EVERYWHERE = (
    "nn.ConvTranspose2d(4, 8, 3, 2, 1, 1)",
    "nn.ConvTranspose1d(4, 8, 3, 2, 0, 1)",
    "nn.ConvTranspose3d(4, 8, 3, 2, 1, 1)",
    "nn.Conv3d(4, 8, 3, padding=1, padding_mode='reflect')",
    "nn.Conv3d(4, 8, 3, padding=1, padding_mode='replicate')",
    "nn.Conv1d(4, 8, 3, padding=1, padding_mode='circular')",
    "F.conv1d(x, w, b, padding=1)",
    "F.conv3d(x, w, groups=2)",
    "F.conv_transpose2d(x, w, b, 2, 1, 1)",
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("call", EVERYWHERE)
def test_every_version_has_the_other_rewrites(call: str, version: str) -> None:
    site = _site(call, version)
    assert site.status is Status.MIGRATED, site.message
    plain = str(_site(call, "2.10").after).removesuffix(")")
    assert str(site.after).startswith(plain.partition("has_bias")[0])


@pytest.mark.parametrize("version", VERSIONS)
def test_device_is_dropped_with_a_note(version: str) -> None:
    site = _site("nn.Conv2d(4, 8, 3, device='cuda')", version)
    assert site.status is Status.MIGRATED
    assert "device" not in str(site.after) and "placement belongs to the context" in site.message
