"""What kind of value the expressions of a file have, and who else may see a Tensor."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from mapper.analysis.aliasing import Aliases
from mapper.analysis.inference import Inference
from mapper.analysis.kinds_of_files import Project
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Names
from mapper.files.source import LineIndex

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def inference_of(source: str, path: Path | None = None) -> Inference:
    text = HEAD + dedent(source)
    tree = ast.parse(text)
    names = Names(tree, lambda name: None, path=path)
    return Inference(ParsedModule(text, tree, names, LineIndex(text), path=path), Project())


def kinds(source: str, expression: str) -> list[str]:
    """Return what an expression is, wherever it stands as a whole, in source order."""
    inference = inference_of(source)
    found = [
        node
        for node in ast.walk(inference.module.tree)
        if isinstance(node, ast.expr)
        and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        and ast.unparse(node) == expression
    ]
    assert found, f"{expression} does not stand in the source"
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return [inference.kind(node).name for node in found]


def in_forward(body: str, init: str = "pass", parameters: str = "x", rest: str = "") -> str:
    lines = dedent(body).strip().splitlines()
    inits = dedent(init).strip().splitlines()
    return (
        f"{dedent(rest)}\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        + "".join(f"        {line}\n" for line in inits)
        + f"    def forward(self, {parameters}):\n"
        + "".join(f"        {line}\n" for line in lines)
    )


NOT_TENSORS = {
    "a parameter of a helper that nobody calls": ("def f(x):\n    return x.shape\n", "x"),
    "a result of a package that is not at hand": (
        "import other\ndef f():\n    y = other.load()\n    return y.view(1)\n",
        "y",
    ),
    "a numpy array": (
        "import numpy as np\ndef f():\n    y = np.zeros(3)\n    return y.mean()\n",
        "y",
    ),
    "a shadowed torch": (
        "def f(torch):\n    y = torch.zeros(3)\n    return y.view(1)\n",
        "y",
    ),
    "a shadowed layer class": (
        in_forward(
            "y = self.conv(x)\nreturn y",
            "self.conv = Conv2d(1)",
            rest="from torch.nn import Conv2d\nclass Conv2d:\n    pass\n",
        ),
        "y",
    ),
    "a parameter whose default is a number": (
        in_forward("return n.view(1)", parameters="n=3"),
        "n",
    ),
    "a parameter annotated as int": (
        in_forward("y = x + 1\nreturn y", parameters="x: int"),
        "y",
    ),
    "a parameter that is unpacked from a list": (
        in_forward("a, b = xs\nreturn a", parameters="xs"),
        "xs",
    ),
    "a parameter that is iterated": (
        in_forward("return [y for y in xs]", parameters="xs"),
        "xs",
    ),
    "a parameter that is tested with isinstance": (
        in_forward("if isinstance(x, list):\n    return 1\nreturn x"),
        "x",
    ),
    "a parameter that is read by string": (
        in_forward("return batch['image']", parameters="batch"),
        "batch",
    ),
    "a parameter that is called": (in_forward("return f(1)", parameters="f"), "f"),
    "a parameter that callers give a tuple": (
        """
        class Head(nn.Module):
            def forward(self, x):
                return x
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = Head()
            def forward(self, y):
                return self.head((y, y))
        """,
        "x",
    ),
    "a parameter that is a tuple in one call and a Tensor in another": (
        """
        class Head(nn.Module):
            def forward(self, x):
                return x
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = Head()
            def forward(self, y):
                self.head(y + 1)
                return self.head((y, y))
        """,
        "x",
    ),
    "an attribute that another method replaces by what nobody knows": (
        """
        import other
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.act = nn.ReLU()
            def swap(self):
                self.act = other.thing()
            def forward(self, x):
                y = self.act(x)
                return y
        """,
        "y",
    ),
    "a name of two branches": (
        in_forward("if flag:\n    y = x\nelse:\n    y = 'a'\nreturn y", parameters="x, flag=True"),
        "y",
    ),
    "the maximum along what may be a dimension": (
        in_forward("y = x.max(dim)\nreturn y", parameters="x, dim"),
        "y",
    ),
    "a name that may be rebound in a loop": (
        in_forward("y = x\nfor i in range(3):\n    y\n    y = (y, i)\nreturn 0"),
        "y",
    ),
}


@pytest.mark.parametrize(("source", "expression"), NOT_TENSORS.values(), ids=NOT_TENSORS)
def test_what_may_be_something_else_is_no_tensor(source: str, expression: str) -> None:
    assert not set(kinds(source, expression)) & {"Tensor", "Parameter"}


OTHERS = {
    "a size": ("y = x.shape", "y", "size"),
    "a called size": ("y = x.size()", "y", "size"),
    "one dimension": ("y = x.size(0)", "y", "int"),
    "an element of the shape": ("y = x.shape[1]", "y", "int"),
    "unpacked dimensions": ("b, c = x.shape\ny = b * c", "y", "int"),
    "a quotient of dimensions": ("y = x.size(0) / 2", "y", "float"),
    "a slice of the shape": ("y = x.shape[2:]", "y", "size"),
    "a pair along a dimension": ("y = x.max(1)", "y", "tuple"),
    "a maximum of all": ("y = x.max()", "y", "Tensor"),
    "the values along a dimension": ("y = x.max(1)[0]", "y", "Tensor"),
    "chunks": ("y = x.chunk(2, 1)", "y", "tuple"),
    "one chunk": ("y, z = x.chunk(2, 1)", "y", "Tensor"),
    "a number": ("y = x.item()", "y", "number"),
    "the device": ("y = x.device", "y", "device"),
    "the dtype": ("y = x.dtype", "y", "dtype"),
    "a type name": ("y = x.type()", "y", "str"),
    "a cast by type": ("y = x.type(torch.float32)", "y", "Tensor"),
    "a comparison": ("y = x > 0", "y", "Tensor"),
    "an identity test": ("y = x is None", "y", "bool"),
    "an f-string": ("y = f'{x}'", "y", "str"),
    "a list": ("y = [x]", "y", "list"),
    "an element of a list that grew": ("ys = []\nys.append(x)\ny = ys[-1]", "y", "Tensor"),
    "an element of a dict": ("d = {'a': x}\ny = d['a']", "y", "Tensor"),
    "a comprehension's element": ("ys = [x + i for i in range(2)]\ny = ys[0]", "y", "Tensor"),
    "a zipped element": ("for y, i in zip(x.unbind(), range(3)):\n    y", "y", "Tensor"),
    "an enumerated number": ("for y, z in enumerate(x):\n    y", "y", "int"),
    "a function's result": ("y = F.relu(x)", "y", "Tensor"),
    "a pool with indices": ("y = F.max_pool2d(x, 2, return_indices=True)", "y", "tuple"),
    "a concatenation": ("y = torch.cat([x, x], 1)", "y", "Tensor"),
    "a split by torch": ("y = torch.split(x, 2)", "y", "tuple"),
    "a number plus a Tensor": ("y = 1 - x", "y", "Tensor"),
    "a loop's sum": ("y = x\nfor i in range(3):\n    y = y + i", "y", "Tensor"),
    "a layer's result, again and again": ("y = self.conv(x)\ny = self.conv(y)", "y", "Tensor"),
    "a lambda's result": ("f = lambda t: t * 2\ny = f(x)", "y", "Tensor"),
    "a walrus": ("if (y := x.mean()) is not None:\n    y", "y", "Tensor"),
    "a branch on None": ("z = None\nif x.dim() > 1:\n    z = x\ny = x if z is None else z", "y",
                         "Tensor"),
    "a layer's weight": ("y = self.conv.weight", "y", "Parameter"),
    "a parameter of the class": ("y = self.scale", "y", "Parameter"),
    "a buffer": ("y = self.mean", "y", "Tensor"),
    "a module list": ("y = self.blocks", "y", "module list"),
    "a layer of a list": ("y = self.blocks[0]", "y", "layer"),
    "through a module list": ("y = x\nfor layer in self.blocks:\n    y = layer(y)", "y", "Tensor"),
    "through a Sequential": ("y = self.seq(x)", "y", "Tensor"),
    "a layer of a dict": ("y = self.parts.first(x)", "y", "Tensor"),
    "a layer of a dict that nobody put there": ("y = self.parts.third(x)", "y", "unknown"),
    "a recurrent layer": ("y = self.rnn(x)", "y", "tuple"),
    "the flag of training": ("y = self.training", "y", "bool"),
    "a layer by a computed name": ("y = getattr(self, f'layer{1}')", "y", "layer"),
    "an own method": ("y = self.twice(x)", "y", "Tensor"),
    "an own function": ("y = helper(x)", "y", "Tensor"),
}  # fmt: skip
INIT = """
self.conv = nn.Conv2d(3, 3, 1)
self.scale = nn.Parameter(torch.ones(3))
self.register_buffer('mean', torch.zeros(3))
self.blocks = nn.ModuleList([nn.Conv2d(3, 3, 1) for _ in range(2)])
layers = []
layers.append(nn.Linear(3, 3))
self.seq = nn.Sequential(*layers)
self.rnn = nn.LSTM(3, 3)
self.parts = nn.ModuleDict(dict(first=nn.Linear(3, 3), second=nn.LSTM(3, 3)))
for i in range(2):
    setattr(self, f'layer{i}', nn.Linear(3, 3))
"""
HELPERS = """
def helper(t):
    return t.view(-1)
"""


@pytest.mark.parametrize(("body", "expression", "kind"), OTHERS.values(), ids=OTHERS)
def test_what_an_expression_of_forward_is(body: str, expression: str, kind: str) -> None:
    source = in_forward(f"{body}\nreturn {expression}", INIT, rest=HELPERS)
    source += "    def twice(self, t):\n        return t * 2\n"
    assert kinds(source, expression)[-1] == kind


LIKE_TENSORS = {
    "split of a str": ("'a b'.split(' ')", "list"),
    "format of a str": ("'{}'.format(1)", "str"),
    "index of a list": ("[1, 2].index(1)", "int"),
    "sort of a list": ("[1, 2].sort()", "None"),
    "append to a list": ("[1].append(2)", "None"),
    "size of an array": ("np.zeros(3).size", "unknown"),
    "view of an array": ("np.zeros(3).view(int)", "unknown"),
    "to of what is not known": ("other.thing().to('cpu')", "unknown"),
    "real of an int": ("(3).real", "int"),
    "a layer sent to a device": ("nn.ReLU().to('cpu')", "layer"),
    "an index of a Tensor": ("torch.zeros(3).index_select(0, torch.ones(1))", "Tensor"),
}


@pytest.mark.parametrize(("expression", "kind"), LIKE_TENSORS.values(), ids=LIKE_TENSORS)
def test_methods_that_are_called_like_a_tensors(expression: str, kind: str) -> None:
    normal = ast.unparse(ast.parse(expression))
    assert kinds(f"import numpy as np\nimport other\ny = {expression}\n", normal) == [kind]


ANNOTATIONS = {
    "Tensor": "Tensor",
    "'torch.Tensor'": "Tensor",
    "torch.Tensor": "Tensor",
    "int": "int",
    "List[int]": "list",
    "list[Tensor]": "list",
    "Tuple[Tensor, Tensor]": "tuple",
    "Optional[Tensor]": "union",
    "Tensor | None": "union",
    "nn.Module": "layer",
    "torch.device": "device",
    "Anything": "unknown",
}


@pytest.mark.parametrize(("annotation", "kind"), ANNOTATIONS.items())
def test_an_annotation_says_what_a_parameter_is(annotation: str, kind: str) -> None:
    source = f"""
    from typing import List, Optional, Tuple
    from torch import Tensor
    def f(x: {annotation}):
        return x
    """
    assert kinds(source, "x") == [kind]


def test_a_receiver_that_may_be_none_is_what_has_the_attribute() -> None:
    inference = inference_of(in_forward("return m.view(-1)", parameters="x, m=None"))
    (node,) = [
        one
        for one in ast.walk(inference.module.tree)
        if isinstance(one, ast.Attribute) and one.attr == "view"
    ]
    assert inference.kind(node.value).name == "union"
    assert inference.receiver(node).is_tensor


def test_classes_of_the_file_and_of_its_neighbours_are_modules(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "base.py").write_text("from torch import nn\nclass Base(nn.Module):\n    pass\n")
    path = tmp_path / "net.py"
    path.touch()
    source = """
    from base import Base
    class Plain:
        pass
    class One(Base):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)
    class Two(One):
        pass
    """
    inference = inference_of(source, path)
    assert [info.name for info in inference.classes] == ["One", "Two"]
    assert inference.attribute(inference.classes[1], "fc").of == "torch.nn.Linear"


def test_a_recursive_function_comes_to_an_end() -> None:
    source = in_forward("return grow(x, 3)", rest="def grow(t, n):\n    return grow((t, t), n)\n")
    assert kinds(source, "grow(x, 3)") == ["unknown"]


PRIVATE = {
    "a parameter": ("x += 1", False),
    "another name of a parameter": ("y = x\ny += 1", False),
    "a view of a parameter": ("y = x.view(-1)\ny += 1", False),
    "a result that has a second name": ("y = self.conv(x)\nz = y\ny += 1", False),
    "a result that a list holds": ("y = self.conv(x)\nzs = [y]\ny += 1", False),
    "a result that is kept": ("y = self.conv(x)\nself.kept = y\ny += 1", False),
    "a result with a view": ("y = self.conv(x)\nz = y.view(-1)\ny += 1", False),
    "a result of a layer that works in place": ("y = self.act(x)\ny += 1", False),
    "a result of Identity": ("y = self.same(x)\ny += 1", False),
    "the same in a loop": ("y = self.conv(x)\nfor i in x:\n    y += 1\n    z = y", False),
    "a layer's result": ("y = self.conv(x)\ny += 1", True),
    "a sum": ("y = x + x\ny += 1", True),
    "a parameter that is rebound": ("x = self.conv(x)\nx += 1", True),
    "a result that is only computed with": ("y = self.conv(x)\nz = y * 2\ny += 1", True),
    "in place on a result": ("y = self.conv(x)\ny = self.act(y)\ny += 1", True),
    "a result within a branch": ("y = self.conv(x)\nif self.training:\n    y += 1", True),
    "a Sequential that ends in place": ("y = self.seq(x)\ny += 1", True),
}


@pytest.mark.parametrize(("body", "is_private"), PRIVATE.values(), ids=PRIVATE)
def test_who_else_may_see_what_is_changed_in_place(body: str, is_private: bool) -> None:
    init = """
    self.conv = nn.Conv2d(3, 3, 1)
    self.act = nn.ReLU(inplace=True)
    self.same = nn.Identity()
    self.seq = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(True))
    """
    inference = inference_of(in_forward(body, init))
    (forward,) = [
        one
        for one in ast.walk(inference.module.tree)
        if isinstance(one, ast.FunctionDef) and one.name == "forward"
    ]
    (at,) = [one for one in ast.walk(forward) if isinstance(one, ast.AugAssign)]
    assert isinstance(at.target, ast.Name)
    assert Aliases(inference.cells).is_private(at.target.id, at, forward) is is_private
