"""`--device`: each documented limit of a platform becomes a finding at the site."""

from __future__ import annotations

import pytest

from mapper.files.source import splice
from mapper.model.options import Options
from mapper.model.results import Site, Status
from mapper.rulebook.loader import load
from mapper.rulebook.schema import Device, Group, Limit, Rule
from mapper.running.module import Migrator

HEAD = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
MANUAL, MIGRATED = Status.MANUAL, Status.MIGRATED

FINDINGS = {
    ("ascend", "nn.Conv1d(4, 8, 3, groups=2)"): (MIGRATED, "only depthwise group convolution"),
    ("ascend", "nn.Conv2d(4, 8, 3, groups=2)"): (MIGRATED, "only depthwise group convolution"),
    ("ascend", "nn.Conv3d(4, 8, 3, groups=2)"): (MANUAL, "Conv3d must have group 1"),
    ("ascend", "nn.ConvTranspose1d(4, 8, 3, groups=2)"): (MANUAL, "must have group 1"),
    ("ascend", "nn.ConvTranspose3d(4, 8, 3, groups=2)"): (MANUAL, "must have group 1"),
    ("ascend", "F.conv1d(x, w, groups=2)"): (MIGRATED, "only depthwise group convolution"),
    ("ascend", "F.conv2d(x, w, groups=2)"): (MIGRATED, "only depthwise group convolution"),
    ("ascend", "F.conv3d(x, w, groups=2)"): (MANUAL, "groups must be 1"),
    ("ascend", "F.conv_transpose3d(x, w, groups=2)"): (MANUAL, "group must be 1"),
    ("ascend", "nn.ConvTranspose3d(4, 8, 3, 2, 1, 1)"): (MIGRATED, "Atlas A2"),
    ("ascend", "F.conv_transpose3d(x, w, None, 2, 1, 1)"): (MIGRATED, "Atlas A2"),
    ("ascend", "nn.Conv3d(4, 8, 3)"): (MIGRATED, "float16 input only"),
    ("ascend", "nn.ConvTranspose3d(4, 8, 3)"): (MIGRATED, "float16 input only"),
    ("ascend", "nn.Conv3d(4, 8, 3, dilation=(2, 1, 1))"): (MANUAL, "depth dilation must be 1"),
    ("ascend", "F.conv3d(x, w, dilation=2)"): (MANUAL, "dilation must be 1"),
    **{
        ("ascend", f"nn.Conv{n}d(4, 8, 3, padding=1, padding_mode='circular')"): (
            MANUAL, "ops.pad has no circular mode on Ascend",
        )
        for n in (1, 2, 3)
    },
    ("ascend", "nn.Conv3d(4, 8, 3, padding=1, padding_mode='replicate')"): (
        MIGRATED, "documented for GPU only",
    ),
    **{
        ("cpu", f"nn.Conv{kind}d(4, 8, 3, dtype=torch.bfloat16)"): (MANUAL, "no bfloat16 kernel")
        for kind in ("1", "2", "3", "Transpose1", "Transpose2", "Transpose3")
    },
    ("cpu", "nn.ConvTranspose3d(4, 8, 3, output_padding=(0, 1, 1), dilation=(1, 2, 2))"): (
        MANUAL, "not smaller than the stride",
    ),
    ("cpu", "F.conv_transpose3d(x, w, output_padding=(0, 1, 1), dilation=(1, 2, 2))"): (
        MANUAL, "not smaller than the stride",
    ),
}  # fmt: skip
"""Device and call: the site's status there, and the words of the finding."""


def _site(call: str, device: str) -> Site:
    (site,) = (
        Migrator(load(), Options(device=device, select=("conv",)))
        .migrate(f"{HEAD}y = {call}\n")
        .sites
    )
    return site


@pytest.mark.parametrize(("device", "call"), FINDINGS)
def test_a_documented_limit_is_a_finding_at_the_site(device: str, call: str) -> None:
    site, (status, words) = _site(call, device), FINDINGS[device, call]
    assert (site.status, words in site.message) == (status, True), site.message


@pytest.mark.parametrize(("device", "call"), FINDINGS)
def test_any_and_the_other_devices_do_not_have_it(device: str, call: str) -> None:
    words = FINDINGS[device, call][1]
    for other in {"any", "gpu", "cpu", "ascend"} - {device}:
        assert words not in _site(call, other).message


LIMITS = [
    (rule, limit)
    for rule in load().rules
    for limit in rule.limits
    if limit.device != Device.ANY and rule.group is Group.CONV
]


@pytest.mark.parametrize(
    ("rule", "limit"),
    LIMITS,
    ids=[f"{rule.id}-{limit.device}-{limit.when}" for rule, limit in LIMITS],
)
def test_no_limit_of_a_platform_is_forgotten(rule: Rule, limit: Limit) -> None:
    """Every limit in the rules is met by a call above, under its own device."""
    found = [
        words
        for (device, call), (_, words) in FINDINGS.items()
        if device == limit.device and _site(call, device).rule == rule.id and words in limit.text
    ]
    assert found, f"{rule.id}: {limit.text}"
    assert limit.source


@pytest.mark.parametrize("call", ["nn.Conv2d(4, 8, 3)", "nn.ConvTranspose2d(4, 8, 3, 2, 1, 1)"])
@pytest.mark.parametrize("device", ["any", "cpu", "gpu", "ascend"])
def test_calls_without_a_limit_have_no_finding(call: str, device: str) -> None:
    site = _site(call, device)
    assert (site.status, site.message) == (MIGRATED, "")


@pytest.mark.parametrize("call", ["nn.Conv2d(8, 8, 3, groups=8)", "nn.Conv1d(8, 8, 3, groups=8)"])
def test_depthwise_convolutions_are_no_finding_on_ascend(call: str) -> None:
    assert (_site(call, "ascend").status, _site(call, "ascend").message) == (MIGRATED, "")


def test_another_dtype_is_no_finding_on_the_cpu() -> None:
    assert "bfloat16" not in _site("nn.Conv2d(4, 8, 3, dtype=torch.float16)", "cpu").message
    assert "bfloat16" in _site("nn.Conv2d(4, 8, 3, dtype=kind)", "cpu").message


def test_an_unknown_value_is_a_finding_where_the_limit_may_apply() -> None:
    site = _site("nn.Conv3d(4, 8, 3, groups=g)", "ascend")
    assert "Conv3d must have group 1" in site.message
    assert "Conv3d must have group 1" not in _site("nn.Conv3d(4, 8, 3, groups=g)", "any").message


@pytest.mark.parametrize("device", ["cpu", "gpu", "ascend"])
def test_a_device_changes_no_text_that_is_written(device: str) -> None:
    text = HEAD + "a = nn.Conv3d(4, 8, 3, padding=1)\nb = nn.ConvTranspose3d(4, 8, 3, 2, 1, 1)\n"
    written = {
        splice(text, Migrator(load(), Options(device=one, select=("conv",))).migrate(text).edits)
        for one in ("any", device)
    }
    assert len(written) == 1
