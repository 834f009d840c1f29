"""A rewrite evaluates what its call did: as often, in the same order; else the call is left."""

from __future__ import annotations

import pytest

from mapper.model.options import Options
from mapper.model.results import Site, Status
from mapper.running.file import Task, process

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
GROWING = "n = 1\ndef grow():\n    global n\n    n = n + 1\n    return n\n"
COUNTING = (
    "class Sizes:\n    n = 0\n    @property\n    def p(self):\n        self.n += 1\n"
    "        return self.n\n    def __getitem__(self, i):\n        self.n += 1\n"
    "        return self.n\ns = Sizes()\n"
)
PLAIN = (
    "class Sizes:\n    n = 1\n    @property\n    def p(self):\n        return self.n\ns = Sizes()\n"
)

KEPT = {
    "nothing acts": "c = nn.Conv2d(3, 8, k, padding=(k // 2, p), padding_mode='reflect')\n",
    "one call, kept in its place": f"{GROWING}c = nn.Conv2d(3, grow(), 3, padding=n)\n",
    "a walrus before what reads it": "c = nn.Conv2d(3, 8, (k := 3), padding=k // 2)\n",
    "a call that cannot change the padding": (
        "def grow():\n    return 3\ndef f(n):\n"
        "    return nn.Conv2d(grow(), 8, 3, padding=n, padding_mode='replicate')\n"
    ),
    "a property that only returns": f"{PLAIN}c = nn.Conv2d(3, 8, 3, padding=(s.p, 1))\n",
    "a property, read once": f"{COUNTING}c = nn.Conv2d(3, 8, s.p, padding=s.n)\n",
    "a call that is repeated by Python itself": "c = nn.Conv2d(3, 8, 5, padding=(f(),) * 2)\n",
}
LEFT = {
    "a walrus behind the padding": (
        "nn.Conv2d(3, 8, (k := 3), padding=k // 2, padding_mode='reflect')"
    ),
    "a call that may change the padding": (
        "nn.Conv2d(grow(), 8, 3, padding=n, padding_mode='replicate')"
    ),
    "an attribute read before a call": (
        "nn.Conv2d(grow(), 8, 3, padding=o.n, padding_mode='circular')"
    ),
    "a property written twice": "nn.Conv2d(3, 8, 3, padding=(s.p, 1))",
    "a property in a layer in front": "nn.Conv2d(3, 8, 3, padding=s.p, padding_mode='reflect')",
    "an element written twice": "nn.Conv2d(3, 8, 3, padding=(s[0], 1))",
    "an element read before a call": (
        "nn.Conv2d(grow(), 8, 3, padding=(s.n, n), padding_mode='reflect')"
    ),
}


def _sites(text: str, select: tuple[str, ...] = ("conv",)) -> list[Site]:
    result = process(Task("module.py", (HEAD + text).encode()), Options(select=select))
    assert result.message is None
    return [site for site in result.sites if "(" in site.before]


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_is_evaluated_as_before_is_written(text: str) -> None:
    assert [site.status for site in _sites(text)] == [Status.MIGRATED]


@pytest.mark.parametrize("call", LEFT.values(), ids=LEFT)
def test_what_would_be_evaluated_otherwise_is_left(call: str) -> None:
    (site,) = _sites(f"{GROWING}{COUNTING}c = {call}\n")
    assert site.status is Status.MANUAL
    assert "would be evaluated" in site.message


METHODS = {
    "a template that names its operand once": ("x.size(0)", "x.shape[0]"),
    "calls in the order of before": ("g(x).transpose(h(0), 1)", "g(x).swapaxes(h(0), 1)"),
    "a call that is kept": ("F.softmin(g(x), 1)", "ops.softmin(g(x), 1)"),
    "a dropped call": ("x.to(device=pick())", None),
    "a dropped device of torch's": ("x.to(torch.device('cpu'))", "x"),
}


@pytest.mark.parametrize(("before", "after"), METHODS.values(), ids=METHODS)
def test_templates_of_rules_are_held_to_it_too(before: str, after: str | None) -> None:
    head = (
        "def g(x: torch.Tensor) -> torch.Tensor:\n    return x\n"
        "def h(i: int) -> int:\n    return i\n"
    )
    body = f"{head}def pick():\n    return 'cpu'\ndef f(x: torch.Tensor):\n    return {before}\n"
    found = [site for site in _sites(body, ()) if site.before == before]
    assert [site.after for site in found] == [after]


NAMES = {
    "a function of the file's": ("def max(*a):\n    return 1\n", "padding=max(1, 2)", "max"),
    "a parameter": ("", "padding=int(1.5), dilation=k", "int"),
    "a module of another kind": ("import numpy as math\n", "padding=math.floor(1.5)", "math"),
    "types in a test": ("tuple = list\n", "padding=1 if isinstance(k, tuple) else 2", "tuple"),
    "a dict of the file's own": ("def dict(**k):\n    return {}\n", "**dict(padding=1)", "dict"),
}


@pytest.mark.parametrize(("head", "arguments", "name"), NAMES.values(), ids=NAMES)
def test_a_name_of_the_files_own_is_not_read_as_pythons(
    head: str, arguments: str, name: str
) -> None:
    (site,) = _sites(f"{head}def f(k, int):\n    return nn.Conv2d(3, 8, 3, {arguments})\n")
    assert site.status is Status.MANUAL
    assert f"`{name}` is not Python's" in site.message or "may hold" in site.message


EMITTED = {
    "isinstance": ("def f(p=(1, 2), isinstance=None):", "padding=p"),
    "tuple": ("def f(tuple, p=[1, 2]):", "padding=p"),
    "list": ("list = 3\ndef f(p=[1, 2]):", "padding=p"),
    "bool": ("from numpy import bool\ndef f(k):", "bias=k + 1"),
    "what an inserted helper needs": (
        "def super():\n    pass\ndef f():",
        "padding=1, padding_mode='circular'",
    ),
}


@pytest.mark.parametrize(("head", "arguments"), EMITTED.values(), ids=EMITTED)
def test_no_name_of_pythons_is_written_where_the_file_has_another(
    head: str, arguments: str
) -> None:
    site = _sites(f"{head}\n    return nn.Conv2d(3, 8, 3, {arguments})\n")[-1]
    assert site.status is Status.MANUAL
    assert "needs Python's" in site.message


def test_what_the_file_says_of_a_name_is_not_computed_with_pythons_function() -> None:
    text = "def max(*a):\n    return (1, 2)\np = max(1, 2)\nc = nn.Conv2d(3, 8, 3, padding=p)\n"
    (site,) = _sites(text)
    assert any("`p` is an int" in words for words in site.assumptions)


@pytest.mark.parametrize("test", ["x is 1000", "1000 is 1000"])
def test_whether_two_numbers_are_the_same_object_is_not_decided(test: str) -> None:
    (site,) = _sites(f"x = 1000\nc = nn.Conv2d(3, 8, 5, padding=2 if {test} else 1)\n")
    assert site.status is Status.MANUAL


def test_without_the_rest_of_the_file_methods_of_tensors_are_assumed_away() -> None:
    (site,) = _sites("def f(q, x, w):\n    return F.conv2d(x, w, groups=q.size(0))\n")
    assert "`q.size(0)` is of no Tensor (MindSpore's has no such method)" in site.assumptions
    (site,) = _sites("def f(x, w):\n    return F.conv2d(x / x.std(), w)\n")
    assert site.status is Status.MANUAL
    (site,) = _sites("import math\nc = nn.Conv2d(3, 8, math.floor(2.5))\n")
    assert site.assumptions == ()


@pytest.mark.parametrize("select", [("conv",), ("conv", "layers")])
@pytest.mark.parametrize(
    "call", ["nn.Conv2d(3, 8, 3, bias=not b)", "nn.ConvTranspose2d(3, 8, k, 2, 1, 1, bias=b)"]
)
def test_a_bias_that_a_symbol_decides_is_among_the_parameters(
    call: str, select: tuple[str, ...]
) -> None:
    site = _sites(f"def f(b, k):\n    return {call}\n", select)[-1]
    assert list(site.parameters) == ["weight", "bias"]


def test_a_bias_of_another_layer_that_a_symbol_decides_is_so_too() -> None:
    site = _sites("def f(b):\n    return nn.Linear(3, 8, bias=not b)\n", ())[-1]
    assert list(site.parameters) == ["weight", "bias"]


@pytest.mark.parametrize("deviation", ["math.sqrt(2. / n)", "0.01", "math.sqrt(2. / math.pi)"])
def test_an_initialiser_whose_arguments_only_compute_is_written(deviation: str) -> None:
    text = f"import math\ndef f(m: nn.Conv2d, n):\n    m.weight.data.normal_(0, {deviation})\n"
    assert {site.status for site in _sites(text, ())} == {Status.MIGRATED}


def test_an_initialiser_whose_argument_may_change_the_weight_is_left() -> None:
    text = "def f(m: nn.Conv2d, g):\n    m.weight.data.normal_(0, g(m))\n"
    (site,) = _sites(text, ())
    assert "would be evaluated" in site.message
