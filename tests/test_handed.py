"""Classes and functions of torch's as values: what is written, and what is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapper.analysis import handed, project_files
from mapper.model.options import Options
from mapper.model.results import FileResult, Status
from mapper.rulebook.loader import load
from mapper.running import adapters
from mapper.running.file import Task, process

HEAD = (
    "from functools import partial\nimport torch\nimport torch.nn as nn\n"
    "import torch.nn.functional as F\n\n\n"
)


def migrated(text: str, path: str = "x.py") -> FileResult:
    return process(Task(path, (HEAD + text).encode()), Options())


def whole(text: str) -> str:
    result = migrated(text)
    assert result.whole, [site.message for site in result.sites if site.status is Status.MANUAL]
    assert result.after is not None
    return result.after


def block(init: str, norm: str = "norm=nn.BatchNorm2d", given: str = "x") -> str:
    lines = "\n".join(f"        {line}" for line in init.split("\n"))
    return (
        f"class Block(nn.Module):\n    def __init__(self, width, {norm}):\n"
        f"        super().__init__()\n{lines}\n\n"
        f"    def forward(self, x):\n        return self.one({given})\n"
    )


PLAIN = {
    "a default that is called with what both take alike": (
        block("self.one = norm(width)"), "norm=nn.BatchNorm2d",
    ),
    "a name that is given one where it is None": (
        block("if norm is None:\n    norm = nn.BatchNorm2d\nself.one = norm(width)", "norm=None"),
        "norm = nn.BatchNorm2d\n",
    ),
    "an attribute": (
        block("self._norm = norm\nnorm = self._norm\nself.one = norm(width)"),
        "norm=nn.BatchNorm2d",
    ),
    "a table": (
        block("norms = {'bn': nn.BatchNorm2d}\nself.one = norms[norm](width)", "norm='bn'"),
        "nn.BatchNorm2d}",
    ),
    "the argument of another function of the file": (
        block("self.one = norm(width)", "norm=None")
        + "\n\ndef make(width):\n    return Block(width, norm=nn.BatchNorm2d)\n",
        "norm=nn.BatchNorm2d",
    ),
    "a tuple of classes that layers are tested against": (
        block("self.one = nn.Linear(width, 2)\nkinds = (nn.Linear, nn.BatchNorm2d)\n"
              "assert isinstance(self.one, kinds)"), "kinds = (nn.Dense, nn.BatchNorm2d)",
    ),
    "an annotation of callables": (
        block("self.one = norm(width)",
              "norm: 'Callable[..., nn.Module]' = nn.BatchNorm2d"), "= nn.BatchNorm2d",
    ),
    "a partial whose arguments have other names": (
        block("self.make = partial(nn.Softmax, dim=1)\nself.one = self.make()"),
        "partial(nn.Softmax, axis=1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "part"), PLAIN.values(), ids=PLAIN)
def test_what_reads_the_same_for_both_is_written_by_its_name(text: str, part: str) -> None:
    after = whole(text)
    assert part in after
    assert "def Torch" not in after


ADAPTED = {
    "momentum counts the other way": (
        block("self.one = norm(width, momentum=0.01)"),
        "nn.BatchNorm2d(num_features, eps, 1 - momentum, affine)",
    ),
    "LeakyReLU has another default": (
        block("self.one = norm()", "norm=nn.LeakyReLU"), "nn.LeakyReLU(negative_slope)",
    ),
    "GELU has another default": (
        block("self.one = norm()", "norm=nn.GELU"), "nn.GELU(approximate == 'tanh')",
    ),
    "the first argument of Dropout means something else": (
        block("self.one = norm(0.3)", "norm=nn.Dropout"), "nn.Dropout(p=p)",
    ),
    "LayerNorm has another epsilon, and wants a tuple": (
        block("self.one = norm(width)", "norm=nn.LayerNorm"),
        "nn.LayerNorm((normalized_shape,), epsilon=eps)",
    ),
    "inplace is no argument of MindSpore's": (
        block("self.one = norm(inplace=True)", "norm=nn.ReLU", "-x"),
        "def TorchReLU(inplace=False)",
    ),
    "a partial with torch's names": (
        block("self.one = wrapped(partial(nn.BatchNorm2d, momentum=0.01))(width)"),
        "partial(TorchBatchNorm2d, momentum=0.01)",
    ),
    "a table whose entries are called alike": (
        block("self.one = {'a': nn.ReLU, 'b': nn.LeakyReLU}[norm]()", "norm='a'"),
        "'b': TorchLeakyReLU}",
    ),
    "a function that passes everything on": (
        "def conv(*args, **kwargs):\n    return nn.Conv2d(*args, **kwargs)\n\n\n"
        + block("self.one = conv(3, width, 3, padding=1)"),
        "return TorchConv2d(*args, **kwargs)",
    ),
    "arguments that are passed on beside those that are written": (
        block("self.one = nn.Conv2d(3, width, bias=False, **kwargs)", "**kwargs"),
        "TorchConv2d(3, width, bias=False, **kwargs)",
    ),
    "padding that is a number for each axis": (
        "def conv(**kwargs):\n    return nn.Conv2d(3, 4, **kwargs)\n\n\n"
        + block("self.one = conv(kernel_size=(1, 7), padding=(0, 3))"),
        "        padding=(\n            (padding[0], padding[0], padding[1], padding[1])\n"
        "            if isinstance(padding, (tuple, list))\n            else padding\n        ),\n",
    ),
    "padding along one axis": (
        "def conv(**kwargs):\n    return nn.Conv1d(3, 4, **kwargs)\n\n\n"
        + block("self.one = conv(kernel_size=3, padding=1)"),
        "pad_mode='pad', padding=padding,",
    ),
    "it goes where nobody can follow": (
        block("self.one = make_somehow(norm, width)", "norm=nn.BatchNorm2d"), "norm=TorchBatch",
    ),
    "a function as a value": (
        block("self.one = F.leaky_relu"), "self.one = pt_leaky_relu",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "part"), ADAPTED.values(), ids=ADAPTED)
def test_what_would_be_called_otherwise_becomes_a_function_with_torchs_arguments(
    text: str, part: str
) -> None:
    assert part in whole(text)


LEFT = {
    "a test for a class that has no counterpart": (
        block("self.one = norm\nassert isinstance(norm, torch.Size)"), "is tested here",
    ),
    "a function that becomes an expression, and is called by nobody": (
        block("self.fill = nn.init.zeros_\nself.one = norm"), "alone",
    ),
    "a pool whose stride no function takes over": (
        block("self.one = norm(3, 2, padding=1)", "norm=nn.MaxPool2d"), "by place",
    ),
    "a class that is tested against and called with torch's arguments": (
        block("kind = nn.LeakyReLU\nself.one = kind()\nassert isinstance(self.one, kind)"),
        "must be a class",
    ),
    "a partial that works in place, seen by nobody knows whom": (
        block("self.one = make_somehow(partial(nn.ReLU, inplace=True))"), "changes its input",
    ),
    "a layer in place that a caller chooses, whose input is seen afterwards": (
        "class Block(nn.Module):\n    def __init__(self, act_layer=nn.ReLU):\n"
        "        super().__init__()\n        self.act = act_layer(inplace=True)\n\n"
        "    def forward(self, x):\n        return x + self.act(x)\n",
        "changes its input",
    ),
    "a layer in place through a partial of the file, whose input is seen afterwards": (
        "class Block(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        make = partial(nn.ReLU, inplace=True)\n        self.act = make()\n\n"
        "    def forward(self, x):\n        return x + self.act(x)\n",
        "changes its input",
    ),
    "a layer behind one that a caller chooses, which may hand its input on": (
        "class Block(nn.Module):\n    def __init__(self, width, norm_layer=None):\n"
        "        super().__init__()\n        self.norm = norm_layer(width)\n"
        "        self.act = nn.ReLU(inplace=True)\n\n"
        "    def forward(self, x):\n        y = self.act(self.norm(x))\n        return x + y\n",
        "changes its input",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), LEFT.values(), ids=LEFT)
def test_what_would_differ_without_a_word_is_left(text: str, words: str) -> None:
    result = migrated(text)
    assert not result.whole
    assert any(words in site.message for site in result.sites), [s.message for s in result.sites]


OTHERS = {
    "which calls it alike": ("norm(width)", "norm=nn.BatchNorm2d"),
    "which calls it with torch's arguments": ("norm(width, momentum=0.3)", "norm=TorchBatchNorm2d"),
    "which hides it": ("globals()['f'](norm)", "norm=TorchBatchNorm2d"),
    "which has it looked at by name": ("norm(width) if locals()['norm'] else 0", "norm=nn.Batch"),
}


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "parsed anew each time"])
@pytest.mark.parametrize(("call", "part"), OTHERS.values(), ids=OTHERS)
def test_a_class_is_followed_into_another_file(
    tmp_path: Path, call: str, part: str, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_kept:  # as in a project of more files than there is room for
        monkeypatch.setattr(
            handed, "parse", lambda file: project_files._parse.__wrapped__(file, 0, 0)
        )
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "blocks.py").write_text(HEAD + block(f"self.one = {call}", "norm=None"))
    user = tmp_path / "user.py"
    user.write_text(
        "import torch.nn as nn\nfrom blocks import Block\n\n\n"
        "def make():\n    return Block(8, norm=nn.BatchNorm2d)\n"
    )
    result = process(Task(str(user), user.read_bytes()), Options())
    assert result.after is not None
    assert part in result.after


def test_a_partial_that_another_file_calls_is_read_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "blocks.py").write_text(HEAD + block("self.one = norm(width)", "norm=None"))
    user = tmp_path / "user.py"
    user.write_text(
        "from functools import partial\nimport torch.nn as nn\nfrom blocks import Block\n\n\n"
        + "# a longer file than the one that calls it\n" * 40
        + "def make():\n    return Block(8, norm=partial(nn.BatchNorm2d, momentum=0.3))\n"
    )
    result = process(Task(str(user), user.read_bytes()), Options())
    assert "norm=partial(TorchBatchNorm2d, momentum=0.3)" in (result.after or "")


def test_classes_that_are_compared_stay_one_object() -> None:
    text = (
        "def bias_for(norm):\n    if type(norm) == partial:\n"
        "        return norm.func == nn.InstanceNorm2d\n    return norm == nn.InstanceNorm2d\n\n\n"
        + block("bias_for(norm)\nself.one = norm(width)", "norm=nn.InstanceNorm2d")
    )
    after = whole(text)
    assert after.count("== TorchInstanceNorm2d") == 2
    assert "norm=TorchInstanceNorm2d" in after


def test_a_second_run_over_adapters_changes_nothing() -> None:
    after = whole(block("self.one = norm(width, momentum=0.01)"))
    again = process(Task("x.py", after.encode()), Options())
    assert (again.after, again.sites) == (None, ()) or again.after == after


GUARDS = {
    "that only moves a Tensor": ("y = y.cuda()", True),
    "that computes something": ("y = y * 2", False),
    "that moves another": ("y = x.cuda()", False),
}


@pytest.mark.parametrize(("body", "is_whole"), GUARDS.values(), ids=GUARDS)
def test_a_test_for_a_tensor_on_a_gpu_goes_with_the_placement_it_guards(
    body: str, is_whole: bool
) -> None:
    text = (
        "class Net(nn.Module):\n    def forward(self, x):\n        y = torch.zeros(2, 3)\n"
        f"        if isinstance(x, torch.cuda.FloatTensor):\n            {body}\n"
        "        return x + y\n"
    )
    assert migrated(text).whole is is_whole


NORM = "nn.BatchNorm2d"
CALLED = "(3, momentum=0.3)"
UNSEEN = {
    "an attribute of the class, called in a subclass elsewhere": (
        f"class M(nn.Module):\n    norm = {NORM}\n",
        f"class K(M):\n    def __init__(self):\n        self.n = self.norm{CALLED}\n",
    ),
    "a field of a dataclass": (
        f"from dataclasses import dataclass\n\n\n@dataclass\nclass M:\n    norm: object = {NORM}\n",
        f"def make(one: M):\n    return one.norm{CALLED}\n",
    ),
    "a list of the module": (f"M = [{NORM}]\n", f"made = M[0]{CALLED}\n"),
    "a name of the module": (f"M = {NORM}\n", f"made = M{CALLED}\n"),
    "a keyword that is read by a computed name": (
        f"def g(**kw):\n    n = 'norm'\n    return kw[n]{CALLED}\n\n\n"
        f"def M():\n    return g(norm={NORM})\n", "",
    ),
    "an unpacked dict": (
        f"def g(norm):\n    return norm{CALLED}\n\n\n"
        f"def M():\n    kw = dict(norm={NORM})\n    return g(**kw)\n", "",
    ),
    "an attribute that is set by its name": (
        f"def M(c):\n    setattr(c, 'norm', {NORM})\n    return c.norm{CALLED}\n", "",
    ),
    "a registry": (
        f"R = {{}}\n\n\ndef M(name, cls):\n    R[name] = cls\n\n\nM('bn', {NORM})\n"
        f"made = R['bn']{CALLED}\n", "",
    ),
    "what a method returns": (
        f"class M:\n    def pick(self):\n        return {NORM}\n\n"
        f"    def make(self):\n        return self.pick(){CALLED}\n", "",
    ),
    "what is nonlocal": (
        f"def M():\n    k = None\n\n    def s():\n        nonlocal k\n        k = {NORM}\n\n"
        f"    s()\n    return k{CALLED}\n", "",
    ),
    "what is global": (
        f"K = None\n\n\ndef M():\n    global K\n    K = {NORM}\n\n\n"
        f"def g():\n    return K{CALLED}\n",
        "",
    ),
    "a block that another file hands in": (
        "class M(nn.Module):\n    def __init__(self, block):\n        super().__init__()\n"
        f"        self.b = block(3, {NORM})\n",
        "made = M(lambda c, norm: norm(c, momentum=0.3))\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "other"), UNSEEN.values(), ids=UNSEEN)
def test_a_class_that_is_called_with_torchs_arguments_is_never_written_plain(
    tmp_path: Path, text: str, other: str
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "other.py").write_text(f"from first import M\n\n\n{other}")
    first = tmp_path / "first.py"
    first.write_text("import torch.nn as nn\n\n\n" + text)
    result = process(Task(str(first), first.read_bytes()), Options())
    assert result.message is None
    (site,) = [site for site in result.sites if site.before == NORM]
    assert (site.status, site.after) in (
        (Status.MIGRATED, "TorchBatchNorm2d"),
        (Status.MANUAL, None),
    )


FIXED_ELSEWHERE = {
    "reads the same": ("eps=1e-3", NORM),
    "has torch's meaning": ("momentum=0.3", "TorchBatchNorm2d"),
    "names something of its own file": ("eps=TINY", "TorchBatchNorm2d"),
}


@pytest.mark.parametrize(("given", "after"), FIXED_ELSEWHERE.values(), ids=FIXED_ELSEWHERE)
def test_a_partial_of_another_file_counts_with_the_text_that_it_has_there(
    tmp_path: Path, given: str, after: str
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    far = "\n" * 40  # further down than this file is long
    (tmp_path / "other.py").write_text(
        f"from functools import partial\n\nfrom first import M\n\nTINY = 1e-3\n{far}\n"
        f"def made(norm):\n    return M(partial(norm, {given}))\n"
    )
    first = tmp_path / "first.py"
    first.write_text(
        "import torch.nn as nn\n\nimport other\n\n\nclass M(nn.Module):\n"
        "    def __init__(self, norm):\n        super().__init__()\n        self.b = norm(3)\n\n\n"
        f"def build(norm={NORM}):\n    return other.made(norm)\n"
    )
    result = process(Task(str(first), first.read_bytes()), Options())
    (site,) = [site for site in result.sites if site.before == NORM]
    assert (site.status, site.after) == (Status.MIGRATED, after)


def test_what_a_function_leaves_out_moves_no_argument_to_another_place() -> None:
    rulebook = load()
    rule = rulebook.by_api("torch.nn.Embedding")
    assert rule is not None
    names = [one.name for one in rule.torch.parameters]
    for choice in adapters.choices(rule):
        positional = [one.name for one in choice if not one.keyword_only]
        assert positional == names[: len(positional)]
        assert len(choice) <= len(names)
    assert len(list(adapters.choices(rule))) > 1


HEADS = {
    "one import": "import torch.nn as nn\n",
    "two imports, of which one goes": "import torch\nimport torch.nn as nn\n",
    "three imports": "import torch\nfrom torch import nn\nfrom torch import Tensor\n",
    "another import behind": "import torch.nn as nn\nimport math\n",
    "another import between": "import torch\nimport math\nimport torch.nn as nn\n",
}


@pytest.mark.parametrize("blank", [0, 1, 2, 3])
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_an_inserted_function_has_two_blank_lines_on_both_sides(head: str, blank: int) -> None:
    body = "class Net(nn.Module):\n    def __init__(self, **k):\n        super().__init__()\n"
    body += "        self.a = nn.Conv2d(3, 4, **k)\n"
    result = process(Task("x.py", (head + "\n" * blank + body).encode()), Options())
    assert result.after is not None
    before, inserted = result.after.split("def TorchConv2d(")
    after = inserted.partition("\nclass Net")[0]
    assert before.endswith("\n\n\n") and not before.endswith("\n\n\n\n")
    assert len(after) - len(after.rstrip("\n")) == max(2, blank)
