"""What each scope binds, checked against Python's own symbol tables."""

from __future__ import annotations

import ast
import symtable

import pytest

from mapper.analysis.lines import lines_with
from mapper.analysis.scopes import Scope, Scopes


def scopes(text: str) -> Scopes:
    return Scopes(ast.parse(text), lines_with(text, ":="))


def scope(text: str, name: str) -> Scope:
    """Return the scope of the function or class of that name."""
    return next(s for s in scopes(text).all if getattr(s.node, "name", None) == name)


def bound(text: str) -> set[str]:
    return set(scopes(text).module.bindings)


def bound_by_python(text: str) -> set[str]:
    table = symtable.symtable(text, "<text>", "exec")
    return {
        s.get_name()
        for s in table.get_symbols()
        if s.is_assigned() or s.is_imported() or s.is_namespace()
    }


STATEMENTS = {
    "nothing": "pass",
    "a read": "print(a)",
    "an attribute": "a.b = 1",
    "an item": "a[b] = 1",
    "a comprehension": "[a for a in b]",
    "a lambda": "lambda a: a",
    "an assignment": "a = 1",
    "a chain of assignments": "a = b = 1",
    "a tuple": "a, (b, [c, *d]) = x",
    "a list": "[a, b] = x",
    "mixed targets": "a, x.y, z[0] = 1, 2, 3",
    "an annotated assignment": "a: int = 1",
    "an augmented assignment": "a += 1",
    "a deletion": "del a, b",
    "an import": "import a",
    "a dotted import": "import a.b.c",
    "an import with a name": "import a.b as c",
    "several imports": "import a, b.c, d as e",
    "a from-import": "from a import b, c as d",
    "a relative import": "from .. import a",
    "a loop": "for a, b in x: c = 1\nelse: d = 1",
    "a while": "while x: a = 1\nelse: b = 1",
    "a with": "with x as a, y as (b, c): d = 1",
    "a with item that is an attribute": "with x as a.b: pass",
    "a try": "try: a = 1\nexcept E as b: c = 1\nelse: d = 1\nfinally: e = 1",
    "a try star": "try: a = 1\nexcept* E as b: c = 1",
    "an if": "if x: a = 1\nelif y: b = 1\nelse: c = 1",
    "a match": "match x:\n  case [a, *b]: c = 1\n  case {'k': d, **e}: pass\n"
    "  case A(f, g=h): pass\n"
    "  case (1 | 2) as i: pass\n  case j: pass",
    "a match of a constant": "match x:\n  case a.b: pass\n  case 'c': pass\n  case _: pass",
    "a walrus": "print((a := 1))",
    "a walrus in a test": "if (a := 1): pass\nwhile (b := 1): pass",
    "a walrus in a guard": "match x:\n  case _ if (a := 1): pass",
    "a walrus in a default": "def f(x=(a := 1)): pass",
    "a walrus in a decorator": "@(a := g)\ndef f(): pass",
    "a walrus in a comprehension": "[b for b in x if (a := b)]",
    "a function": "def a(b, /, c, *d, e, **f): g = 1",
    "an async function": "async def a(b): c = 1",
    "a class": "class a(b): c = 1",
    "a global in a function": "def f():\n  global a\n  a = 1",
    "a global in a nested block": "def f():\n  if x:\n    global a\n  a = 1",
    "a global import": "def f():\n  global a\n  import a.b",
    "a global class": "def f():\n  global a\n  class a: pass",
    "a global in a class": "class f:\n  global a\n  a = 1",
    "a global in a nested function stays there": "def f():\n  def g():\n    global a\n"
    "    a = 1\n  a = 2",
}  # fmt: skip


@pytest.mark.parametrize("text", STATEMENTS.values(), ids=STATEMENTS)
def test_the_module_binds_what_python_says(text: str) -> None:
    by_python = bound_by_python(text)
    if "global a" in text or "(a := b)" in text:  # symtable lists these further in only
        by_python |= {"a"}
    elif "del " in text:
        by_python |= {"a", "b"}
    assert bound(text) == by_python


LOCAL = {name: text for name, text in STATEMENTS.items() if "global" not in text}


@pytest.mark.parametrize("text", LOCAL.values(), ids=LOCAL)
def test_a_function_binds_what_python_says(text: str) -> None:
    inside = "def outer():\n" + "".join(f"  {line}\n" for line in text.split("\n"))
    table = symtable.symtable(inside, "<text>", "exec").get_children()[0]
    expected = {s.get_name() for s in table.get_symbols() if s.is_local()}
    assert set(scope(inside, "outer").bindings) == expected


def test_parameters_are_bound_with_their_defaults() -> None:
    text = "def f(a, b=1, /, c=2, *d, e, g=3, **h): pass"
    found = {name: b[0].value for name, b in scope(text, "f").bindings.items()}
    values = {name: v.value for name, v in found.items() if isinstance(v, ast.Constant)}
    assert set(found) == set("abcdegh")
    assert values == {"b": 1, "c": 2, "g": 3}


def test_an_import_binding_knows_its_target_and_alias() -> None:
    module = scopes("from ..a.b import c as d").module
    (binding,) = module.bindings["d"]
    assert (binding.kind, binding.target) == ("import", "..a.b.c")
    assert binding.alias is not None and binding.alias.asname == "d"


@pytest.mark.parametrize(
    ("line", "target"),
    [("import a.b", "a"), ("import a.b as a", "a.b"), ("from . import a", ".a"),
     ("from .b import a", ".b.a"), ("from b import c as a", "b.c")],
)  # fmt: skip
def test_an_import_target_is_what_the_name_stands_for(line: str, target: str) -> None:
    assert [b.target for b in scopes(line).module.bindings["a"]] == [target]


def test_a_star_import_is_kept_apart() -> None:
    module = scopes("from a.b import *\nfrom . import *").module
    assert module.stars == ["a.b", "."]
    assert not module.bindings


def test_a_lookup_skips_the_classes_around() -> None:
    text = "a = 1\nclass A:\n  a = 2\n  def f(self): return a"
    inner = scope(text, "f")
    found = inner.lookup("a")
    assert found is not None and found[0].kind == "module"


def test_a_lookup_in_a_class_sees_the_class_first() -> None:
    found = scope("a = 1\nclass A:\n  a = 2", "A").lookup("a")
    assert found is not None and found[0].kind == "class"


def test_a_lookup_finds_the_enclosing_function() -> None:
    text = "a = 1\ndef f():\n  a = 2\n  def g():\n    return a"
    found = scope(text, "g").lookup("a")
    assert found is not None and getattr(found[0].node, "name", "") == "f"


def test_a_global_looks_past_the_enclosing_function() -> None:
    text = "a = 1\ndef f():\n  a = 2\n  def g():\n    global a\n    return a"
    found = scope(text, "g").lookup("a")
    assert found is not None and found[0].kind == "module"


def test_an_unbound_name_is_found_nowhere() -> None:
    assert scopes("print(a)").module.lookup("a") is None


def test_a_nonlocal_binding_belongs_to_the_function_that_owns_the_name() -> None:
    text = "def f():\n  a = 1\n  def g():\n    def h():\n      nonlocal a\n      a = 2\n"
    assert len(scope(text, "f").bindings["a"]) == 2
    assert "a" not in scope(text, "h").bindings


def test_a_statement_runs_in_the_scope_around_it() -> None:
    tree = ast.parse("def f():\n  if x:\n    y = 1")
    found = Scopes(tree)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    assert found.home[function].kind == "module"
    assert isinstance(function.body[0], ast.If)
    assert found.home[function.body[0].body[0]].kind == "function"
