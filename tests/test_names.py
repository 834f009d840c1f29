"""Which references mean a torch convolution: import spellings, look-alikes, places, lines."""

from __future__ import annotations

import ast

import pytest

from mapper.analysis.resolve import Names, Reference, _may_borrow, read_names, wanted_lines
from mapper.rulebook.loader import load
from mapper.rulebook.schema import Kind
from tests.counter import count

WORDS = r"Conv(?:Transpose)?[123]d\b|\bconv(?:_transpose)?[123]d\b"


def canonical(name: str) -> str | None:
    rule = load().by_api(name)
    is_module = rule is not None and rule.kind is Kind.MODULE
    return rule.torch.canonical(name) if rule and not is_module else None


def named(text: str) -> Names:
    return read_names(ast.parse(text), text, canonical, WORDS)


def references(text: str) -> list[Reference]:
    names = named(text)
    return list(names.references(wanted_lines(text, names, WORDS)))


def apis(text: str) -> list[str]:
    """Return the certain references, in order, without their common prefix."""
    return [r.api.removeprefix("torch.nn.") for r in references(text) if not r.problem]


def problems(text: str) -> list[str]:
    return [r.problem for r in references(text) if r.problem]


LOOK_ALIKES = {
    "nothing is imported": "nn.Conv2d(3, 8, 3)",
    "a class of the same name in this file": "import torch\nclass Conv2d: pass\nConv2d(3, 8, 3)",
    "a function of the same name": "import torch\ndef Conv2d(*a): pass\nConv2d(3, 8, 3)",
    "another library's class": "import torch\nfrom mmcv.cnn import Conv2d\nConv2d(3, 8, 3)",
    "another library's module called nn": "import torch\nfrom flax import linen as nn\n"
    "nn.Conv2d(3)",
    "a package's own nn": "import torch\nfrom . import nn\nnn.Conv2d(3, 8, 3)",
    "a relative module called torch.nn": "from .torch.nn import Conv2d\nConv2d(3, 8, 3)",
    "a relative torch": "from .torch import nn\nnn.Conv2d(3, 8, 3)",
    "a star import of another module": "import torch\nfrom layers import *\nConv2d(3, 8, 3)",
    "a star import of a relative module": "import torch\nfrom .nn import *\nConv2d(3, 8, 3)",
    "a method": "import torch.nn as nn\nself.Conv2d(3, 8, 3)",
    "an attribute of something else": "import torch.nn as nn\ntools.nn.Conv2d(3, 8, 3)",
    "an attribute of a call": "import torch.nn as nn\nmake().Conv2d(3, 8, 3)",
    "an attribute of a subscript": "import torch.nn as nn\nlayers[0].Conv2d(3, 8, 3)",
    "keras": "import torch\nfrom tensorflow import keras\nkeras.layers.Conv2D(8, 3)",
    "a quantized class": "import torch\ntorch.ao.nn.quantized.Conv2d(3, 8, 3)",
    "an unknown class of torch.nn": "import torch.nn as nn\nnn.Conv4d(3, 8, 3)",
    "a prefix of a name": "import torch.nn as nn\nnn.Conv2dNormActivation(3, 8)",
    "a module whose name begins like torch": "import torchvision.nn as nn\nnn.Conv2d(3, 8, 3)",
    "a comment": "import torch.nn as nn\n# nn.Conv2d(3, 8, 3)",
    "a string": "import torch.nn as nn\nx = 'nn.Conv2d(3, 8, 3)'",
    "a docstring": 'import torch.nn as nn\ndef f():\n    """nn.Conv2d(3, 8, 3)"""',
    "a keyword argument's name": "import torch.nn as nn\nf(Conv2d=1)",
    "the import alone": "from torch.nn import Conv2d",
    "a submodule imported without its parent's name": "import torch.nn as n\nnn.Conv2d(1, 1, 1)",
    "torch deleted from a name that another import has": "import numpy as torch\n"
    "torch.nn.Conv2d(1)",
}


@pytest.mark.parametrize("text", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_what_is_not_torchs_is_no_reference(text: str) -> None:
    assert references(text) == []
    assert count(text) == 0


SPELLINGS = {
    "import torch": "import torch\ntorch.nn.Conv2d(3, 8, 3)",
    "import torch as t": "import torch as t\nt.nn.Conv2d(3, 8, 3)",
    "import torch.nn": "import torch.nn\ntorch.nn.Conv2d(3, 8, 3)",
    "import torch.nn as nn": "import torch.nn as nn\nnn.Conv2d(3, 8, 3)",
    "import torch.nn as something else": "import torch.nn as L\nL.Conv2d(3, 8, 3)",
    "import torch.nn.functional binds torch": "import torch.nn.functional\n"
    "torch.nn.Conv2d(3, 8, 3)",
    "import torch.utils.data binds torch": "import torch.utils.data\ntorch.nn.Conv2d(3, 8, 3)",
    "import torch.nn.modules.conv": "import torch.nn.modules.conv\n"
    "torch.nn.modules.conv.Conv2d(3, 8, 3)",
    "import torch.nn.modules.conv as c": "import torch.nn.modules.conv as c\nc.Conv2d(3, 8, 3)",
    "from torch import nn": "from torch import nn\nnn.Conv2d(3, 8, 3)",
    "from torch import nn as x": "from torch import nn as x\nx.Conv2d(3, 8, 3)",
    "from torch.nn import Conv2d": "from torch.nn import Conv2d\nConv2d(3, 8, 3)",
    "from torch.nn import Conv2d as C": "from torch.nn import Conv2d as C\nC(3, 8, 3)",
    "from torch.nn import modules": "from torch.nn import modules\nmodules.conv.Conv2d(3, 8, 3)",
    "from torch.nn.modules import Conv2d": "from torch.nn.modules import Conv2d\nConv2d(3, 8, 3)",
    "from torch.nn.modules import conv": "from torch.nn.modules import conv\nconv.Conv2d(3, 8, 3)",
    "from torch.nn.modules.conv import": "from torch.nn.modules.conv import Conv2d\n"
    "Conv2d(3, 8, 3)",
    "several aliases on one line": "import os, torch, torch.nn as nn, sys\nnn.Conv2d(3, 8, 3)",
    "several names in parentheses": "from torch.nn import (\n    Linear,  # a\n"
    "    Conv2d as C,\n)\n"
    "C(3, 8, 3)",
    "an import behind a semicolon": "import os; import torch.nn as nn\nnn.Conv2d(3, 8, 3)",
    "an import in the same line as the call": "from torch import nn; nn.Conv2d(3, 8, 3)",
    "an import after the function that uses it": "def f():\n    return nn.Conv2d(3, 8, 3)\n"
    "import torch.nn as nn",
    "an import in the function": "def f():\n    import torch.nn as nn\n    nn.Conv2d(3, 8, 3)",
    "an import in the class": "class A:\n    from torch.nn import Conv2d\n    c = Conv2d(3, 8, 3)",
    "an import in try": "try:\n    import torch.nn as nn\nexcept ImportError:\n    raise\n"
    "nn.Conv2d(3, 8, 3)",
    "an import in try with None instead": "try:\n    import torch.nn as nn\n"
    "except ImportError:\n    nn = None\nnn.Conv2d(3, 8, 3)",
    "an import with a fallback to the same": "try:\n    from torch.nn import Conv2d\n"
    "except ImportError:\n    from torch.nn.modules.conv import Conv2d\nConv2d(3, 8, 3)",
    "an import under TYPE_CHECKING": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
    "    import torch.nn as nn\nnn.Conv2d(3, 8, 3)",
    "an import with and else": "if x:\n    import torch.nn as nn\nelse:\n"
    "    from torch import nn\nnn.Conv2d(3, 8, 3)",
    "an import in with": "with silence():\n    import torch.nn as nn\nnn.Conv2d(3, 8, 3)",
    "the same import twice": "import torch.nn as nn\nimport torch.nn as nn\nnn.Conv2d(3, 8, 3)",
    "a module by assignment": "import torch\nnn = torch.nn\nnn.Conv2d(3, 8, 3)",
    "a module by two assignments": "import torch\nn = torch.nn\nm = n.modules\n"
    "m.conv.Conv2d(3, 8, 3)",
    "a module by annotated assignment": "import torch\nnn: object = torch.nn\nnn.Conv2d(3, 8, 3)",
    "a global import": "def f():\n    global nn\n    import torch.nn as nn\n"
    "def g():\n    return nn.Conv2d(3, 8, 3)",
    "spaces around the dots": "import torch\ntorch . nn . Conv2d (3, 8, 3)",
    "a line break after the dot": "import torch\n(torch.nn.\n    Conv2d)(3, 8, 3)",
    "a continued line": "import torch\ntorch.nn. \\\n    Conv2d(3, 8, 3)",
    "a name with umlauts": "from torch.nn import Conv2d as Größe\nGröße(3, 8, 3)",
    "Windows line ends": "import torch.nn as nn\r\n\r\nnn.Conv2d(3, 8, 3)\r\n",
    "old Mac line ends": "import torch.nn as nn\r\rnn.Conv2d(3, 8, 3)\r",
    "a form feed before the line": "import torch.nn as nn\n\x0cnn.Conv2d(3, 8, 3)\n",
    "a star import of torch next to a plain one": "from torch import *\nimport torch.nn as nn\n"
    "nn.Conv2d(3, 8, 3)",
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_every_import_spelling_is_understood(text: str) -> None:
    assert apis(text) == ["Conv2d"]
    assert count(text) == 1


@pytest.mark.parametrize(
    "name",
    [f"{lazy}Conv{kind}{rank}d" for lazy in ("", "Lazy") for kind in ("", "Transpose")
     for rank in (1, 2, 3)],
)  # fmt: skip
def test_every_class_is_known(name: str) -> None:
    assert apis(f"import torch.nn as nn\nnn.{name}(8, 3)") == [name]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
@pytest.mark.parametrize("home", ["torch.nn.functional", "torch"])
def test_the_functions_are_sites_too(home: str, kind: str, rank: int) -> None:
    assert apis(f"import torch\n{home}.{kind}{rank}d(x, w)") == [f"functional.{kind}{rank}d"]


SHADOWS = {
    "a parameter": "def f(nn):\n    return nn.Conv2d(3, 8, 3)",
    "a keyword-only parameter": "def f(*, nn=None):\n    return nn.Conv2d(3, 8, 3)",
    "a positional-only parameter": "def f(nn, /):\n    return nn.Conv2d(3, 8, 3)",
    "*nn": "def f(*nn):\n    return nn.Conv2d(3, 8, 3)",
    "**nn": "def f(**nn):\n    return nn.Conv2d(3, 8, 3)",
    "a lambda's parameter": "f = lambda nn: nn.Conv2d(3, 8, 3)",
    "an outer function's parameter": "def f(nn):\n    def g():\n        return nn.Conv2d(3, 8, 3)",
    "a local variable": "def f():\n    nn = make()\n    return nn.Conv2d(3, 8, 3)",
    "a local variable set later": "def f():\n    a = nn.Conv2d(3, 8, 3)\n    nn = make()",
    "an annotated local variable": "def f():\n    nn: object = make()\n    nn.Conv2d(3, 8, 3)",
    "a loop variable": "def f():\n    for nn in libraries:\n        nn.Conv2d(3, 8, 3)",
    "an async loop variable": "async def f():\n    async for nn in b():\n"
    "        nn.Conv2d(3, 8, 3)",
    "with ... as": "def f():\n    with library() as nn:\n        nn.Conv2d(3, 8, 3)",
    "except ... as": "def f():\n    try:\n        g()\n    except E as nn:\n"
    "        nn.Conv2d(3, 8, 3)",
    "a starred target": "def f():\n    a, *nn = x\n    nn.Conv2d(3, 8, 3)",
    "a match capture": "def f(x):\n    match x:\n        case {'nn': nn}:\n"
    "            nn.Conv2d(3, 8, 3)",
    "a match star": "def f(x):\n    match x:\n        case [*nn]:\n            nn.Conv2d(3, 8, 3)",
    "a match rest": "def f(x):\n    match x:\n        case {**nn}:\n            nn.Conv2d(3, 8, 3)",
    "a match as": "def f(x):\n    match x:\n        case int() as nn:\n"
    "            nn.Conv2d(3, 8, 3)",
    "a walrus": "def f():\n    if (nn := make()):\n        nn.Conv2d(3, 8, 3)",
    "a walrus in a comprehension": "def f():\n    [0 for _ in x if (nn := _)]\n"
    "    nn.Conv2d(3, 8, 3)",
    "a comprehension's variable": "a = [nn.Conv2d(3, 8, 3) for nn in libraries]",
    "a comprehension's second variable": "a = {nn.Conv2d(3, 8, 3) for x in y for nn in x}",
    "a comprehension's condition": "a = {1: 2 for nn in libraries if nn.Conv2d(3, 8, 3)}",
    "another import in the function": "def f():\n    from mine import nn\n    nn.Conv2d(3, 8, 3)",
    "a nested function's name": "def f():\n    def nn(): pass\n    nn.Conv2d(3, 8, 3)",
    "a nested class's name": "def f():\n    class nn: pass\n    nn.Conv2d(3, 8, 3)",
    "a class variable in the class": "class A:\n    nn = make()\n    c = nn.Conv2d(3, 8, 3)",
}


@pytest.mark.parametrize("text", SHADOWS.values(), ids=SHADOWS)
def test_a_shadowed_name_is_no_reference(text: str) -> None:
    text = f"import torch.nn as nn\n{text}\n"
    assert references(text) == []
    assert count(text) == 0


UNCERTAIN = {
    "rebound in the module": "import torch.nn as nn\nnn = wrap(nn)\nnn.Conv2d(3, 8, 3)",
    "augmented": "import torch.nn as nn\nnn += 1\nnn.Conv2d(3, 8, 3)",
    "deleted": "import torch.nn as nn\ndel nn\nnn.Conv2d(3, 8, 3)",
    "rebound through global": "import torch.nn as nn\ndef f():\n    global nn\n    nn = fake\n"
    "nn.Conv2d(3, 8, 3)",
    "rebound through nonlocal": "def f():\n    import torch.nn as nn\n    def g():\n"
    "        nonlocal nn\n        nn = fake\n    return nn.Conv2d(3, 8, 3)",
    "rebound two functions farther in": "def f():\n    import torch.nn as nn\n    def g():\n"
    "        def h():\n            nonlocal nn\n            nn = fake\n"
    "    return nn.Conv2d(3, 8, 3)",
    "a fallback to another library": "try:\n    import torch.nn as nn\nexcept ImportError:\n"
    "    import fake as nn\nnn.Conv2d(3, 8, 3)",
    "a fallback class": "try:\n    from torch.nn import Conv2d\nexcept ImportError:\n"
    "    class Conv2d: pass\nConv2d(3, 8, 3)",
    "a loop in the module": "import torch.nn as nn\nfor nn in x:\n    nn.Conv2d(3, 8, 3)",
    "a walrus in the module": "import torch.nn as nn\n(nn := x)\nnn.Conv2d(3, 8, 3)",
}


@pytest.mark.parametrize("text", UNCERTAIN.values(), ids=UNCERTAIN)
def test_a_name_with_two_meanings_is_reported_as_a_problem(text: str) -> None:
    (problem,) = problems(text)
    assert "is bound more than once (lines" in problem
    assert apis(text) == []


@pytest.mark.parametrize("module", ["torch.nn", "torch.nn.modules.conv", "torch.nn.functional"])
def test_a_star_import_from_torch_is_reported_as_a_problem(module: str) -> None:
    name = "conv2d" if module.endswith("functional") else "Conv2d"
    text = f"from {module} import *\n{name}(3, 8, 3)"
    assert problems(text) == [f"`{name}` comes in through `from {module} import *`"]
    assert count(text) == 1


def test_a_name_that_the_file_binds_does_not_come_from_the_star_import() -> None:
    assert references("from torch.nn import *\nclass Conv2d: pass\nConv2d(3, 8, 3)") == []


PLACES = {
    "an argument": "f(nn.Conv2d(3, 8, 3))",
    "an argument's keyword": "f(x=nn.Conv2d(3, 8, 3))",
    "a list": "a = [nn.Conv2d(3, 8, 3)]",
    "a dict's value": "a = {'x': nn.Conv2d(3, 8, 3)}",
    "a subscript": "a[nn.Conv2d(3, 8, 3)] = 1",
    "a comprehension": "a = [nn.Conv2d(3, 8, k) for k in ks]",
    "a comprehension's iterable": "a = [x for x in nn.Conv2d(3, 8, 3)]",
    "a comprehension's iterable of that name": "a = [nn for nn in nn.Conv2d(3, 8, 3)]",
    "a lambda": "f = lambda k: nn.Conv2d(3, 8, k)",
    "a lambda's default of that name": "f = lambda nn=nn.Conv2d(3, 8, 3): 1",
    "a default": "def f(x=nn.Conv2d(3, 8, 3)): pass",
    "a default next to a parameter of that name": "def f(nn, x=nn.Conv2d(3, 8, 3)): pass",
    "a keyword-only default": "def f(*, x=nn.Conv2d(3, 8, 3)): pass",
    "a decorator": "@attach(nn.Conv2d(3, 8, 3))\ndef f(): pass",
    "a class decorator": "@attach(nn.Conv2d(3, 8, 3))\nclass A: pass",
    "an annotation": "def f(x: nn.Conv2d): pass",
    "a return annotation": "def f() -> nn.Conv2d: pass",
    "a variable's annotation": "x: nn.Conv2d",
    "a base class": "class A(nn.Conv2d): pass",
    "a class keyword": "class A(metaclass=nn.Conv2d): pass",
    "a class body": "class A:\n    c = nn.Conv2d(3, 8, 3)",
    "a method": "class A:\n    def f(self):\n        self.c = nn.Conv2d(3, 8, 3)",
    "a method although the class binds the name": "class A:\n    nn = 1\n    def f(self):\n"
    "        return nn.Conv2d(3, 8, 3)",
    "a comprehension in a class that binds the name": "class A:\n    nn = 1\n"
    "    c = [nn.Conv2d(3, 8, k) for k in ks]",
    "an async function": "async def f():\n    return await g(nn.Conv2d(3, 8, 3))",
    "a generator": "def f():\n    yield nn.Conv2d(3, 8, 3)",
    "an if test": "if nn.Conv2d(3, 8, 3): pass",
    "an elif test": "if x: pass\nelif nn.Conv2d(3, 8, 3): pass",
    "an else": "if x: pass\nelse: nn.Conv2d(3, 8, 3)",
    "a while": "while x:\n    nn.Conv2d(3, 8, 3)\nelse: pass",
    "a for's iterable": "for x in nn.Conv2d(3, 8, 3): pass",
    "a with": "with nn.Conv2d(3, 8, 3): pass",
    "a try": "try:\n    nn.Conv2d(3, 8, 3)\nfinally: pass",
    "a handler": "try:\n    pass\nexcept E:\n    nn.Conv2d(3, 8, 3)",
    "a handler's type": "try:\n    pass\nexcept nn.Conv2d:\n    pass",
    "an except star": "try:\n    pass\nexcept* E:\n    nn.Conv2d(3, 8, 3)",
    "a finally": "try:\n    pass\nfinally:\n    nn.Conv2d(3, 8, 3)",
    "a match subject": "match nn.Conv2d(3, 8, 3):\n    case _: pass",
    "a match guard": "match x:\n    case _ if nn.Conv2d(3, 8, 3): pass",
    "a match body": "match x:\n    case _:\n        nn.Conv2d(3, 8, 3)",
    "a class pattern": "match x:\n    case nn.Conv2d(): pass",
    "a walrus": "if (c := nn.Conv2d(3, 8, 3)): pass",
    "a conditional": "c = nn.Conv2d(3, 8, 3) if x else None",
    "an f-string": "x = f'{nn.Conv2d(3, 8, 3)}'",
    "an f-string's format": "x = f'{x:{nn.Conv2d(3, 8, 3)}}'",
    "an f-string over several lines": "x = f'''\n{nn.Conv2d(3, 8, 3)}'''",
    "a starred argument": "f(*nn.Conv2d(3, 8, 3))",
    "assert": "assert nn.Conv2d(3, 8, 3)",
    "a raise": "raise nn.Conv2d(3, 8, 3)",
    "a method of the class": "nn.Conv2d.forward(x)",
    "an attribute of the call": "nn.Conv2d(3, 8, 3).weight.data.zero_()",
    "a patched class": "nn.Conv2d = Fake",
    "a patched method": "nn.Conv2d.forward = fake",
    "an alias": "Conv = nn.Conv2d",
    "partial": "f = functools.partial(nn.Conv2d, bias=False)",
    "a global statement": "def f():\n    global nn\n    return nn.Conv2d(3, 8, 3)",
}


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES)
def test_a_reference_is_found_wherever_it_stands(text: str) -> None:
    text = f"import torch.nn as nn\n{text}\n"
    assert apis(text) == ["Conv2d"]
    assert count(text) == 1


def test_references_come_in_source_order_with_their_calls() -> None:
    text = (
        "import torch.nn as nn\n"
        "a = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Conv2d(1, 2, 3))\n"
        "b = isinstance(a, nn.Conv3d)\n"
    )
    found = references(text)
    assert [(r.api[-6:], r.call is not None) for r in found] == [
        ("Conv1d", True),
        ("Conv2d", True),
        ("Conv3d", False),
    ]


def test_a_reference_knows_its_surroundings() -> None:
    (found,) = references("import torch.nn as nn\ndef f():\n    return [nn.Conv2d(3, 8, 3)]")
    assert [type(node).__name__ for node in found.parents] == ["Call", "List", "Return"]
    assert found.root is not None
    assert (found.root.id, found.home.kind, found.scope.kind) == ("nn", "module", "function")


def test_a_call_of_a_method_is_not_a_call_of_the_class() -> None:
    (found,) = references("import torch.nn as nn\nnn.Conv2d.from_float(x)")
    assert found.call is None


NEWLINES = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}


@pytest.mark.parametrize("newline", NEWLINES.values(), ids=NEWLINES)
def test_wanted_lines_are_counted_as_python_does(newline: str) -> None:
    text = newline.join(
        ["x = '\x0b\x0c\x1c\u2028'", "import torch.nn as nn", "", "nn.Conv2d", "pass"]
    )
    assert wanted_lines(text, named(text), WORDS) == [4]


def test_mixed_line_ends_are_counted_as_python_does() -> None:
    text = "a\r\nb\rc\nimport torch\r\r\ntorch.nn.Conv2d\rtorch.nn.Conv1d\n\r\nConv3d"
    assert wanted_lines(text, named(text), WORDS) == [6, 7, 9]


def test_a_local_name_for_a_class_is_wanted_too() -> None:
    text = "from torch.nn import Conv2d as C\n\nC\nCC\n"
    assert wanted_lines(text, named(text), WORDS) == [1, 3]


def test_deep_nesting_takes_no_recursion() -> None:
    deep = "import torch.nn as nn\nx = " + "f(" * 90 + "nn.Conv2d(3, 8, 3)" + ")" * 90
    assert apis(deep) == ["Conv2d"]


BORROWING = {
    "the first line": ("global a\n", True),
    "a line of its own": ("def f():\n\tglobal a\n", True),
    "nonlocal": ("    nonlocal a", True),
    "a lone carriage return before it": ("def f():\r  global a\r", True),
    "behind a colon": ("def f(): global a\n", True),
    "behind a semicolon": ("a; \f global a\n", True),
    "behind a continued line": ("if a:\\\n global b\n", True),
    "continued itself": ("  global\\\n  b\n", True),
    "deep inside": ("\n" + " " * 500 + "global a", True),
    "prose": ("# global pooling\nx = 'a global name'\n", False),
    "part of a name": ("global_pool = a.nonlocal_means\n", False),
}


@pytest.mark.parametrize(("text", "may"), BORROWING.values(), ids=BORROWING)
def test_a_text_that_may_borrow_names_is_told_from_prose(text: str, may: bool) -> None:
    assert _may_borrow(text) is may


MODULES = {
    "import torch\ntorch.utils.checkpoint(f)": "torch.utils.checkpoint",
    "import torch\ntorch.utils.checkpoint.checkpoint(f, x)": "torch.utils.checkpoint.checkpoint",
    "import torch.utils.checkpoint as cp\ncp.checkpoint(f, x)": "torch.utils.checkpoint.checkpoint",
    "from torch.utils import checkpoint\ncheckpoint.checkpoint(f, x)": (
        "torch.utils.checkpoint.checkpoint"
    ),
    "from torch.utils.checkpoint import checkpoint\ncheckpoint(f, x)": (
        "torch.utils.checkpoint.checkpoint"
    ),
    "import torch\ntorch.utils.checkpoint.checkpoint_sequential(f, 2, x)": (
        "torch.utils.checkpoint.checkpoint_sequential"
    ),
    "import torch.nn as nn\nnn.Conv2d.__init__(self, 3, 8, 3)": "torch.nn.Conv2d",
}


@pytest.mark.parametrize(("text", "api"), MODULES.items(), ids=MODULES)
def test_what_is_read_from_a_module_with_a_rule_goes_by_its_own_name(text: str, api: str) -> None:
    names = read_names(ast.parse(text), text, canonical, None)
    found = [one.api for one in names.references(wanted_lines(text, names, None))]
    assert found == [api]
