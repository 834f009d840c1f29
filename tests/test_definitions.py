"""What the report says of the classes of a file."""

from __future__ import annotations

import ast

import pytest

from mapper.analysis.definitions import definitions
from mapper.model.results import Definition, Held

IMPORTS = {"torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional", "other": "pkg.other",
           "Linear": "torch.nn.modules.linear.Linear",
           "OrderedDict": "collections.OrderedDict"}  # fmt: skip


def defined(text: str) -> dict[str, Definition]:
    return {one.name: one for one in definitions(ast.parse(text), IMPORTS)}


def held(*lines: str, base: str = "nn.Module", more: str = "") -> dict[str, tuple[Held, ...]]:
    """Return what a class holds whose `__init__` has these lines."""
    body = "".join(f"        {line}\n" for line in lines)
    text = f"class Net({base}):\n    def __init__(self, n, given, *all):\n{body}{more}\n"
    return dict(defined(text)["Net"].holds)


LINEAR, CONV, RELU = "torch.nn.Linear", "torch.nn.Conv2d", "torch.nn.ReLU"
VALUES: dict[str, tuple[str, tuple[Held, ...]]] = {
    "a layer": ("nn.Linear(n, n)", (LINEAR,)),
    "a layer by a longer name": ("Linear(n, n)", (LINEAR,)),
    "a class of another file": ("other.Block(n)", ("Block",)),
    "a function of torch's": ("torch.zeros(n)", ("?",)),
    "what a parameter makes": ("given(n)", ("?",)),
    "a parameter": ("given", ("?",)),
    "what something else makes": ("[nn.Linear(n, n)][0]", ("?",)),
    "a call of a call": ("given(n)(n)", ("?",)),
    "one of two": ("nn.Linear(n, n) if n else None", (LINEAR, "")),
    "the first that there is": ("given or nn.ReLU()", ("?", RELU)),
    "no layer": ("3", ("",)),
    "another attribute": ("self.first", ("self.first",)),
    "what a method makes": ("self.build(n)", ("self.build()",)),
    "layers in a row": ("nn.Sequential(nn.Linear(n, n), nn.ReLU(), given)", ((LINEAR, RELU, "?"),)),
    "layers in a list": ("nn.ModuleList([nn.Linear(n, n), self.first])", ((LINEAR, "self.first"),)),
    "an empty list": ("nn.ModuleList()", ((),)),
    "layers that are unpacked": (
        "nn.Sequential(nn.ReLU(), *[nn.Linear(n, n), given])", ((RELU, LINEAR, "?"),)
    ),
    "layers in a loop": ("nn.ModuleList([nn.Linear(n, n) for _ in all])", (("*", LINEAR),)),
    "layers in a loop, unpacked": (
        "nn.Sequential(*(nn.Linear(n, n) for _ in all), nn.ReLU())", (("*", LINEAR, RELU),)
    ),
    "layers of another list": (
        "nn.Sequential(*nn.ModuleList([nn.Linear(n, n)]), *nn.Sequential(nn.ReLU()))",
        ((LINEAR, RELU),),
    ),
    "layers from elsewhere": ("nn.Sequential(*given)", (("*", "?"),)),
    "one of two in a row": ("nn.Sequential(nn.ReLU() if n else nn.Linear(n, n))", (("?",),)),
    "a dict of layers": (
        "nn.Sequential(OrderedDict([('a', nn.ReLU())]))", ("torch.nn.Sequential",)
    ),
    "what may be a dict of layers": ("nn.Sequential(given)", ("torch.nn.Sequential",)),
    "a list by keyword": ("nn.ModuleList(modules=given)", ("torch.nn.ModuleList",)),
}  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), VALUES.values(), ids=VALUES)
def test_a_value_is_what_its_expression_says(value: str, expected: tuple[Held, ...]) -> None:
    assert held(f"self.x = {value}")["x"] == expected


LOCALS: dict[str, tuple[list[str], tuple[Held, ...]]] = {
    "a variable": (["a = nn.ReLU()", "self.x = a"], (RELU,)),
    "a variable that is two things": (["a = nn.ReLU()", "a = given", "self.x = a"], ("?",)),
    "a variable of a loop": (["for a in all:", "    self.x = a"], ("?",)),
    "a variable of `with`": (["with given as a:", "    self.x = a"], ("?",)),
    "one of several variables": (["a, b = given", "self.x = a"], ("?",)),
    "a variable that stands for a class": (["a = nn.ReLU", "self.x = a()"], ("?",)),
    "a list that grows": (
        ["a = [nn.ReLU()]", "a.append(nn.Linear(n, n))", "a += [given]",
         "a.extend([nn.Conv2d(n, n, 3)])", "self.x = nn.Sequential(*a)"],
        (("*", RELU, "?", LINEAR, CONV),),
    ),
    "a list that does not": (["a = [nn.ReLU()]", "self.x = nn.Sequential(*a)"], ((RELU,),)),
    "a list that is given to a function": (
        ["a = [nn.ReLU()]", "given(a)", "self.x = nn.Sequential(*a)"], (("*", "?"),)
    ),
    "a list that is only counted": (
        ["a = [nn.ReLU()]", "print(len(a))", "self.x = nn.Sequential(*a)"], ((RELU,),)
    ),
    "a list under two names": (
        ["a = [nn.ReLU()]", "b = a", "self.x = nn.Sequential(*a)"], (("*", "?"),)
    ),
    "a list in a list": (
        ["a = [nn.ReLU()]", "given.append(a)", "self.x = nn.Sequential(*a)"], (("*", "?"),)
    ),
    "a list of layers that grows": (
        ["a = nn.ModuleList()", "a.append(nn.ReLU())", "self.x = a"], (("*", RELU),)
    ),
    "a dict of layers that grows": (
        ["a = nn.ModuleDict()", "a.add_module('b', nn.ReLU())", "self.x = a"],
        ("torch.nn.ModuleDict",),
    ),
    "an attribute that grows": (
        ["self.x = nn.ModuleList()", "self.x.append(nn.ReLU())", "self.x[1] = nn.Linear(n, n)",
         "self.x.append()"],
        (("*", LINEAR, RELU),),
    ),
    "an attribute of unknown elements that grows": (
        ["self.x = nn.Sequential(given)", "self.x.append(nn.ReLU())"], (("*", "?"),)
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), LOCALS.values(), ids=LOCALS)
def test_a_value_is_followed_through_variables(
    lines: list[str], expected: tuple[Held, ...]
) -> None:
    assert held(*lines)["x"] == expected


NAMES: dict[str, tuple[str, dict[str, tuple[Held, ...]]]] = {
    "several targets": ("self.a = self.b = nn.ReLU()", {"a": (RELU,), "b": (RELU,)}),
    "a pair": ("self.a, self.b = given", {"a": ("?",), "b": ("?",)}),
    "an annotation": ("self.a: nn.Module = nn.ReLU()", {"a": (RELU,)}),
    "an annotation alone": ("self.a: nn.Module", {}),
    "what is added to": ("self.a += given", {"a": ("?",)}),
    "what is deleted": ("del self.a", {"a": ("?",)}),
    "a parameter": ("self.a = nn.Parameter(torch.ones(n))", {"a": ("torch.nn.Parameter",)}),
    "a registered parameter": (
        "self.register_parameter('a', nn.Parameter(n))", {"a": ("torch.nn.Parameter",)}
    ),
    "no parameter": ("self.register_parameter('a', None)", {"a": ("",)}),
    "a buffer": ("self.register_buffer('a', torch.ones(n))", {"a": ("torch.Tensor",)}),
    "a buffer by keywords": (
        "self.register_buffer(tensor=torch.ones(n), name='a', persistent=True)",
        {"a": ("torch.Tensor",)},
    ),
    "a buffer of a run": ("self.register_buffer('a', torch.ones(n), False)", {"a": ("?",)}),
    "a buffer that may be none": ("self.register_buffer('a', given)", {"a": ("?",)}),
    "an added module": ("self.add_module('a', nn.ReLU())", {"a": (RELU,)}),
    "a name with a number": ("self.add_module('a%d' % n, nn.ReLU())", {"a*": (RELU,)}),
    "a name with an end": ("self.add_module('a' + n, nn.ReLU())", {"a*": (RELU,)}),
    "a name in braces": ("setattr(self, f'a{n}', nn.ReLU())", {"a*": (RELU,)}),
    "a name that is computed": ("self.__setattr__(n, nn.ReLU())", {"*": (RELU,)}),
    "all attributes": ("self._modules['a'] = nn.ReLU()", {"*": ("?",)}),
    "the attributes as a dict": ("vars(self)", {"*": ("?",)}),
}  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), NAMES.values(), ids=NAMES)
def test_what_is_set_is_held_under_its_name(
    line: str, expected: dict[str, tuple[Held, ...]]
) -> None:
    found = held(line)
    found.pop("_modules", None)
    assert found == expected


def test_a_method_is_held_where_its_result_is() -> None:
    more = """
    def build(self, n):
        return nn.Linear(n, n)

    def all(self):
        yield nn.ReLU()

    def forward(self, x):
        return self.body(x)
"""
    found = held("self.body = self.build(n)", "self.rest = self.all()", more=more)
    assert found["build()"] == (LINEAR,) and found["all()"] == ("?",)
    assert "forward()" not in found


LISTS: dict[str, tuple[str, set[str]]] = {
    "known layers": ("super().__init__(nn.ReLU(), nn.Linear(n, n))", {"0", "1"}),
    "unknown layers": ("super().__init__(*given)", {"[0-9]*"}),
    "known layers under a condition": ("if n: super().__init__(nn.ReLU())", {"[0-9]*"}),
    "a dict": ("super().__init__(OrderedDict([('a', nn.ReLU())]))", {"*"}),
    "layers that are appended": ("super().__init__(); self.append(nn.ReLU())", {"[0-9]*"}),
    "by the name of the base": ("nn.Sequential.__init__(self, nn.ReLU())", {"[0-9]*"}),
}


@pytest.mark.parametrize(("line", "expected"), LISTS.values(), ids=LISTS)
def test_a_class_that_is_a_list_holds_its_elements(line: str, expected: set[str]) -> None:
    assert held(line, base="nn.Sequential").keys() == expected


def test_a_class_in_a_class_may_hold_anything() -> None:
    assert held("pass", more="    class Inner:\n        pass\n") == {"*": ("?",)}


ALWAYS = """\
class Net(Base, nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a = nn.ReLU()
        self.register_buffer("b", torch.ones(n))
        if n:
            self.c = nn.ReLU()
            return
        raise ValueError
        self.d = nn.ReLU()

    def later(self, x):
        self.e = nn.ReLU()
        x.f = self.e

    @staticmethod
    def none():
        pass


def build(n):
    net = Net(n)
    net.g = other.Block(n).h
    return net


MADE = build, Net
build(3)
"""


def test_what_is_set_under_no_condition_is_said() -> None:
    found = defined(ALWAYS)
    assert found["Net"].always == ("a", "b")
    assert found["Net"].bases == ("?", "torch.nn.Module")


def test_what_is_used_and_set_elsewhere_is_said() -> None:
    found = defined(ALWAYS)
    assert found["Net"].sets == ("f",) and found["build"].sets == ("g",)
    assert found["build"].uses == ("Block", "Net", "other")
    assert found["build"].returns == ("Net",)
    assert found["MADE"].uses == ("Net", "build") and found[""].uses == ("build",)
    assert (found["build"].line, found["build"].end_line) == (21, 24)


def test_names_from_a_star_are_other_files() -> None:
    text = "from .parts import *\nclass Net(nn.Module):\n    def __init__(self):\n"
    (net,) = definitions(ast.parse(f"{text}        self.down = Down(len(x))\n"), IMPORTS)
    assert dict(net.holds) == {"down": ("Down",)} and "Down" in net.uses
