"""What executes strangers' calls finds wrong rewrites, and nothing wrong with right ones."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest

from mapper.model.results import FileResult, Parameter, Site
from tests.oracle.executed import Executed, Kind, execute
from tests.oracle.frameworks import migrate

HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
NAMES = "self, c, o, k, s, p, d, g, b, i, x, w, h, sizes, pad_for, dtype, flag"


def _migrated(body: str) -> tuple[FileResult, Site]:
    result = migrate(f"{HEAD}\ndef make({NAMES}):\n    {body}\n")
    return result, result.sites[-1]


def _executed(file: FileResult, site: Site) -> Executed:
    return execute(file, site, "1")


RIGHT = [
    pytest.param("return nn.Conv2d(c, o, k, s, k // 2, bias=b)", id="names"),
    pytest.param("return nn.Conv1d(self.cfg.c, h.o, h['k'], padding=self.f(k)[0])", id="chains"),
    pytest.param("return nn.Conv2d(c, o, (k, 1), padding=(pad_for(k), 0))", id="a call in a tuple"),
    pytest.param("return nn.Conv2d(c, o, sizes, padding=(sizes[0] // 2, 1))", id="part of a name"),
    pytest.param("return nn.Conv3d(c, o, tuple(2 * n for n in sizes))", id="a comprehension"),
    pytest.param("return nn.Conv2d(c, o, 3, padding=0 if flag else d, dilation=d)", id="a test"),
    pytest.param("return nn.Conv1d(8 * c // 2**i, o, 3, 3**i, bias=not x)", id="a power"),
    pytest.param("return nn.ConvTranspose1d(c, o, 2 * s, s, s, s % 2)", id="an inserted class"),
    pytest.param("return F.conv2d(x, w, self.bias, s, p, d, g)", id="a function"),
    pytest.param("return F.conv_transpose2d(x, w * 2, stride=s, groups=x.shape[1])", id="a helper"),
    pytest.param("conv = nn.Conv2d\n    return conv(c, o, k, padding=p)", id="a local name"),
    pytest.param(
        "dd = dict(device=d, dtype=dtype)\n    return nn.Conv2d(c, o, k, **dd)", id="a dict"
    ),
]


@pytest.mark.parametrize("body", RIGHT)
def test_a_right_rewrite_is_equal_and_never_different(body: str) -> None:
    file, site = _migrated(body)
    found = _executed(file, site)
    assert found.counts[Kind.EQUAL] >= 2, found.examples
    assert not found.counts[Kind.DIFFERENT] + found.counts[Kind.RAISES], found.examples
    outside = found.counts.total() - found.counts[Kind.EQUAL] - found.counts[Kind.LIMITED]
    assert outside >= 20


PLANTED = [
    pytest.param(
        "nn.Conv2d(c, o, k, padding=k // 2)",
        ("padding=k // 2", "padding=(k - 1) // 2"),
        "shape",
        id="wrong for even kernels only",
    ),
    pytest.param(
        "nn.Conv2d(c, o, 3, s, padding=1)",
        ("pad_mode='pad', padding=1", "pad_mode='same'"),
        "values differ",
        id="wrong for strides above one only",
    ),
    pytest.param(
        "nn.Conv2d(c, o, 3, padding=p)",
        ("padding=p", "padding=p if isinstance(p, int) else 0"),
        "shape",
        id="a tuple that is swallowed",
    ),
    pytest.param(
        "nn.Conv2d(c, o, k, bias=b)",
        ("has_bias=b", "has_bias=b is True"),
        "parameters ['weight'] for torch's ['bias', 'weight']",
        id="a bias that is lost when it is no bool",
    ),
    pytest.param(
        "nn.Conv2d(c, o, (k, 1), padding=(pad_for(k), 0))",
        ("(pad_for(k),) * 2", "(pad_for(k), pad_for(k))"),
        "`pad_for(k)` is evaluated 2 times instead of 1",
        id="a call made twice",
    ),
    pytest.param(
        "F.conv1d(x, w, stride=s, padding=p)", ("stride=s", "stride=1"), "shape", id="a function"
    ),
]


@pytest.mark.parametrize(("call", "change", "words"), PLANTED)
def test_a_planted_wrong_rewrite_is_silently_different(
    call: str, change: tuple[str, str], words: str
) -> None:
    file, site = _migrated(f"return {call}")
    assert site.after is not None and change[0] in site.after
    wrong = replace(site, after=site.after.replace(*change))
    assert words in _executed(file, wrong).examples[Kind.DIFFERENT].words


def test_a_planted_wrong_path_of_a_parameter_is_silently_different() -> None:
    file, site = _migrated("return nn.Conv2d(c, o, k, s)")
    wrong = {"weight": Parameter((8, 8, 3, 3), (8, 8, 3, 3), "0.weight")}
    found = _executed(file, replace(site, parameters=wrong))
    assert found.counts[Kind.DIFFERENT] and not found.counts[Kind.EQUAL]


@pytest.mark.parametrize(
    ("new", "words"),
    [
        pytest.param("nn.Conv9d(c, o, k)", "Conv9d", id="a layer that does not exist"),
        pytest.param("nn.Conv2d(c, o, q)", "'q' is not defined", id="an unknown name"),
    ],
)
def test_a_rewrite_that_always_raises_has_no_equal_trial(new: str, words: str) -> None:
    file, site = _migrated("return nn.Conv2d(c, o, k)")
    found = _executed(file, replace(site, after=new))
    assert set(found.counts) == {Kind.RAISES}
    assert words in found.examples[Kind.RAISES].words


def test_the_same_seed_gives_the_same_trials() -> None:
    file, site = _migrated("return nn.Conv2d(c, o, k, s, p)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _executed(file, site) == _executed(file, site)
