"""Files that are migrated whole."""

from __future__ import annotations

import pytest

from mapper.model.options import Options
from mapper.model.results import Status
from mapper.running.file import Task, process

WHOLE = Options()

FREE_NAMES = {
    "a Parameter that is changed through its data": (
        "import torch.nn as nn\n\n\nclass A(nn.Module):\n    def reset(self):\n"
        "        for m in self.modules():\n            if isinstance(m, nn.BatchNorm2d):\n"
        "                m.weight.data.fill_(1)\n                m.bias.data.zero_()\n",
        "m.beta.set_data(initializer('zeros', m.beta.shape, m.beta.dtype))",
    ),
    "a method that no rule is about": (
        "import torch.nn as nn\n\n\ndef reset(m):\n    nn.init.normal_(m.weight, std=0.02)\n",
        "m.weight.set_data(initializer(Normal(0.02), m.weight.shape, m.weight.dtype))",
    ),
    "names that the text binds itself": (
        "import torch.nn as nn\n\n\nclass A(nn.Module):\n    def reset(self):\n"
        "        for m in self.modules():\n            print(m)\n",
        "for m in [cell for _, cell in self.cells_and_names()]:",
    ),
    "an argument that is computed": (
        "import torch.nn as nn\n\n\ndef reset(m, gain):\n    nn.init.orthogonal_(m.weight, gain)\n",
        "m.weight.set_data(initializer(Orthogonal(gain), m.weight.shape, m.weight.dtype))",
    ),
}


@pytest.mark.parametrize("case", FREE_NAMES.values(), ids=FREE_NAMES.keys())
def test_what_no_formula_is_there_for_is_written_as_the_rule_says(case: tuple[str, str]) -> None:
    before, after = case
    result = process(Task("model.py", before.encode()), WHOLE)
    assert {site.status for site in result.sites} == {Status.MIGRATED}
    assert after in (result.after or "")
    assert "torch" not in (result.after or "")


def test_a_file_without_convolutions_is_read() -> None:
    result = process(Task("f.py", b"import torch\n\ny = torch.relu(x)\n"), WHOLE)
    assert [site.api for site in result.sites] == ["torch", "torch.relu"]


def test_parts_of_a_sequence_are_tried_as_what_it_holds() -> None:
    text = (
        "import torch.nn.functional as F\n\n\ndef f(x, y):\n    d = y.size(2) - x.size(2)\n"
        "    return F.pad(x, [d // 2, d - d // 2])\n"
    )
    result = process(Task("f.py", text.encode()), WHOLE)
    assert "return pad(x, [d // 2, d - d // 2])" in (result.after or "")


def test_layers_in_containers_are_no_names_of_torch() -> None:
    text = (
        "import torch.nn as nn\n\n\nclass A(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.parts = nn.ModuleDict(dict(first=nn.Linear(2, 3)))\n\n"
        "    def forward(self, x):\n        return self.parts.first(x)\n"
    )
    result = process(Task("model.py", text.encode()), WHOLE)
    assert "torch.nn.ModuleDict.first" not in {site.api for site in result.sites}
    assert "torch" not in (result.after or "")


NAMED = {
    "a size": ("y.size(0)", "y.shape[0]"),
    "a size of a view": ("y.view(-1).size(0)", "y.view(-1).shape[0]"),
    "an expansion": ("y.expand(2, 3)", "y.broadcast_to(2, 3)"),
    "another order": ("y.permute(0, 2, 1)", "y.permute(0, 2, 1)"),
}


@pytest.mark.parametrize(("before", "after"), NAMED.values(), ids=NAMED)
def test_a_method_whose_name_tells_a_tensor_is_a_site_where_its_object_is_unknown(
    before: str, after: str
) -> None:
    text = (
        "import torch.nn as nn\nfrom other import thing\n\n\nclass A(nn.Module):\n"
        f"    def forward(self, x):\n        y = thing(x)\n        return {before}\n"
    )
    result = process(Task("m.py", text.encode()), WHOLE)
    assert f"return {after}\n" in (result.after or "")
    assert any(site.api.startswith("torch.Tensor.") for site in result.sites)


OTHERS = {
    "a module's function": "np.clip(x, 0, 1)\n        return np.permute(x)",
    "the class's own": "return self.size()",
    "a list's": "held = thing(x)\n        held.sort()\n        return held",
    "an array's without arguments": "return thing(x).max()",
}


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_a_method_that_may_well_be_another_objects_is_no_site(body: str) -> None:
    text = (
        "import numpy as np\nimport torch.nn as nn\nfrom other import thing\n\n\n"
        "class A(nn.Module):\n    def size(self):\n        return 3\n\n"
        f"    def forward(self, x):\n        {body}\n"
    )
    result = process(Task("m.py", text.encode()), WHOLE)
    assert result.whole
    assert not any(site.api.startswith("torch.Tensor.") for site in result.sites)


COUNTED = {
    "all of them": (
        "sum(p.numel() for p in self.parameters())",
        "sum(p.numel() for p in (one for _, one in named_parameters(self)))",
    ),
    "those that are trained": (
        "sum(p.numel() for p in self.parameters() if p.requires_grad)",
        "sum(p.numel() for p in self.get_parameters() if p.requires_grad)",
    ),
    "by name": ("dict(self.named_parameters())", "dict(named_parameters(self))"),
    "the first one's dtype": (
        "next(self.parameters()).dtype",
        "next(self.get_parameters()).dtype",
    ),
    "the module's own": ("list(self.parameters(recurse=False))", None),
}


@pytest.mark.parametrize(("before", "after"), COUNTED.values(), ids=COUNTED)
def test_parameters_are_taken_without_running_statistics_where_these_would_count(
    before: str, after: str | None
) -> None:
    text = (
        "import torch.nn as nn\n\n\nclass A(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.bn = nn.BatchNorm2d(3)\n\n"
        f"    def forward(self, x):\n        return {before}\n"
    )
    result = process(Task("m.py", text.encode()), WHOLE)
    if after is None:
        assert result.after == text
    else:
        assert f"return {after}\n" in (result.after or "")


DECORATED = {
    "alone": ("    @torch.jit.ignore\n", ""),
    "below another": ("    @staticmethod\n    @torch.jit.unused\n", "    @staticmethod\n"),
    "above another": ("    @torch.jit.ignore\n    @staticmethod\n", "    @staticmethod\n"),
}


@pytest.mark.parametrize(("before", "after"), DECORATED.values(), ids=DECORATED)
def test_a_decorator_for_torch_alone_goes_with_its_line(before: str, after: str) -> None:
    text = (
        "import torch\nfrom torch import nn\n\n\nclass A(nn.Module):\n    # what it is\n"
        "{}    def held(self):\n        return 1\n"
    )
    result = process(Task("m.py", text.format(before).encode()), WHOLE)
    assert result.whole
    assert f"    # what it is\n{after}    def held(self):\n" in (result.after or "")


def test_a_decorator_with_a_comment_beside_it_is_left() -> None:
    text = "import torch\n\n\n@torch.jit.ignore  # why\ndef held():\n    return 1\n"
    result = process(Task("m.py", text.encode()), WHOLE)
    assert result.after == text
    assert any("a comment" in site.message for site in result.sites)


def test_frozen_parameters_stay_frozen() -> None:
    text = (
        "import torch.nn as nn\n\n\nclass A(nn.Module):\n    def forward(self, x):\n"
        "        for p in self.parameters():\n            p.requires_grad = False\n"
        "        return x\n"
    )
    result = process(Task("m.py", text.encode()), WHOLE)
    assert "in self.get_parameters():\n            p.requires_grad = False\n" in str(result.after)


def test_a_dtype_is_understood_in_what_a_rule_writes_anew() -> None:
    text = "import torch\n\n\ndef f(n):\n    return torch.zeros(2, n, dtype=torch.int64)\n"
    result = process(Task("f.py", text.encode()), WHOLE)
    assert "ops.zeros((2, n), dtype=ms.int64)" in (result.after or "")


def test_calls_inside_of_others_are_taken_as_what_torch_gives() -> None:
    text = (
        "import torch.nn.functional as F\n\n\ndef f(x):\n    y = F.relu(x)\n"
        "    return F.avg_pool2d(y, y.size(2))\n"
    )
    result = process(Task("f.py", text.encode()), WHOLE)
    assert "ops.avg_pool2d(y, y.shape[2], stride=y.shape[2])" in (result.after or "")


UNKNOWN = {
    "a result of another package": "import torch.nn as nn\nfrom other import thing\n\n\n"
    "class A(nn.Module):\n    def forward(self, x):\n        y = thing(x)\n"
    "        return y.std(1)\n",
    "a transposition that is handed on": "import torch.nn as nn\nfrom other import thing\n\n\n"
    "class A(nn.Module):\n    def forward(self, x):\n"
    "        return map(thing(x).transpose, x)\n",
    "the largest and where it is": "import torch.nn as nn\n\n\nclass A(nn.Module):\n"
    "    def forward(self, x):\n        for part in x:\n            y = part.max(1)[0]\n"
    "        return y\n",
}


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN)
def test_a_method_that_would_be_silently_different_is_left_where_its_object_is_unknown(
    text: str,
) -> None:
    result = process(Task("m.py", text.encode()), WHOLE)
    assert result.after == text
    assert any("cannot be told" in site.message for site in result.sites)


LAYERS = (
    "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(2, 3)\n\n"
    "    def forward(self, x):\n        return self.fc(x)\n"
)


def test_a_class_whose_base_is_not_found_stays_with_its_forward() -> None:
    text = f"from torch import nn\n\nfrom somewhere import Base\n\n\nclass A(Base):\n{LAYERS}"
    result = process(Task("model.py", text.encode()), WHOLE)
    assert not result.whole and result.after == text
    assert any("its base `Base` is not found" in site.message for site in result.sites)
    known = text.replace("from somewhere import Base\n", "class Base(nn.Module):\n    pass\n")
    after = process(Task("model.py", known.encode()), WHOLE)
    assert after.whole and "def construct(self, x)" in str(after.after)


FORWARDS = {
    "of a layer": ("self.inner.forward(x)", "self.inner.construct(x)"),
    "of the class itself": ("self.inner(self.forward(x))", "self.inner(self.construct(x))"),
    "of a base": ("super().forward(x)", "super().construct(x)"),
    "of a base, in Python 2's words": ("super(Net, self).forward(x)",
                                       "super(Net, self).construct(x)"),
    "of a base by its name": ("Base.forward(self, x)", "Base.construct(self, x)"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORWARDS.values(), ids=FORWARDS.keys())
def test_every_call_of_forward_by_name_is_one_of_construct(case: tuple[str, str]) -> None:
    before, after = case
    text = (
        "import torch.nn as nn\n\n\nclass Base(nn.Module):\n"
        "    def forward(self, x):\n        return x\n\n\nclass Net(Base):\n"
        "    def __init__(self):\n        super().__init__()\n        self.inner = Base()\n\n"
        f"    def forward(self, x):\n        return {before}\n"
    )
    result = process(Task("f.py", text.encode()), WHOLE)
    assert result.whole and f"return {after}\n" in (result.after or "")
    assert "forward" not in (result.after or "")


def test_the_forward_of_another_thing_than_a_layer_keeps_its_name() -> None:
    text = (
        "import torch.nn as nn\n\n\nclass Base:\n    def forward(self, x):\n        return x\n\n\n"
        "class Mail(Base):\n    def forward(self, x):\n        return super().forward(x)\n\n\n"
        "layer = nn.ReLU()\n"
    )
    result = process(Task("f.py", text.encode()), WHOLE)
    assert "return super().forward(x)" in (result.after or "")


def test_a_script_holds_no_class_back_by_a_name_that_is_the_classes_own() -> None:
    """`output` is the class's own here and the loop's there; `loss` is one for both."""
    text = (
        f"import torch\nfrom torch import nn\n\n\nclass A(nn.Module):\n{LAYERS}\n"
        "    def twice(self, output, index=0):\n        y = [data for data in output]\n"
        "        return y[index:], (lambda loss: loss)(self.fc.in_features)\n\n\n"
        "net = A()\nfor index, data in enumerate([torch.ones(1, 2)]):\n"
        "    y = output = net(data)\n    loss = output.sum()\n    loss.backward()\n"
    )
    after = process(Task("model.py", text.encode()), WHOLE)
    assert not after.whole and "class A(nn.Cell)" in str(after.after)
    shared = text.replace("return self.fc(x)", "return self.fc(x) + loss")
    assert process(Task("model.py", shared.encode()), WHOLE).after == shared


def test_an_annotation_of_torchscript_becomes_that_of_typing() -> None:
    text = (
        "import torch\nfrom torch import nn\nfrom torch.jit import Final\n\n\n"
        "class Net(nn.Module):\n    fused: Final[bool]\n    scale: torch.jit.Final[float]\n\n"
        "    def forward(self, x):\n        return x\n"
    )
    result = process(Task("net.py", text.encode()), Options())
    assert result.whole
    assert "from typing import Final" in (result.after or "")
    assert "    fused: Final[bool]\n    scale: Final[float]\n" in (result.after or "")
