"""Compiles the formulas of rules: what an API computes, as one restricted Python expression.

Its names are an API's parameters, inputs and state, `training`, and the functions of
`semantics.core`. It is checked before anything is computed, so that an unknown name is reported as
a mistake in the rule file, and never taken for a framework that raises.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from types import CodeType

from mapper.model.record import record
from mapper.proving.semantics.core import FUNCTIONS
from mapper.rulebook.tables import RuleError, Where

ATTRIBUTES = frozenset({"shape", "ndim", "dtype", "size"})
CONSTANTS: Mapping[str, object] = {"inf": math.inf}
_NODES = (
    ast.Expression, ast.Constant, ast.Name, ast.Attribute, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.IfExp, ast.Tuple, ast.List, ast.Dict, ast.Subscript, ast.Slice, ast.Call,
    ast.keyword, ast.Starred, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_GLOBALS: dict[str, object] = {
    "__builtins__": {},
    **CONSTANTS,
    **FUNCTIONS,
    **{f"<{name}>": function for name, function in FUNCTIONS.items()},
}


class FormulaError(RuleError):
    """A formula that cannot be used; the message names the rule, the key and the name at fault."""


@record(frozen=True, slots=True)
class Formula:
    """An expression that was checked; `names` are the values that it needs."""

    text: str
    names: frozenset[str]
    code: CodeType

    def __call__(self, values: Mapping[str, object]) -> object:
        """Compute it; errors are those of Python and numpy."""
        return eval(self.code, _GLOBALS, values)  # checked node by node


def compile_formula(text: str, known: Iterable[str], where: Where) -> Formula:
    """Return the formula for an expression over the `known` names.

    Raises:
        FormulaError: it is no such expression; `where` is its place, for the message.
    """
    return _compiled(text, frozenset(known), where)


@lru_cache(maxsize=4096)
def _compiled(text: str, known: frozenset[str], where: Where) -> Formula:
    """Return the checked and compiled formula (see `compile_formula`)."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        raise FormulaError(where.file, where.key, f"`{text}` is no expression") from error
    for node in ast.walk(tree):
        if problem := _problem(node, known):
            raise FormulaError(where.file, where.key, problem)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and id(node) not in called and node.id in known
    }
    # A name that is both a value and a function (`bias`, `pad`) is the value, so only where it is
    # called must the function be found: it is renamed there.
    renamed = _Called().visit(tree)
    return Formula(
        text, frozenset(names), compile(ast.fix_missing_locations(renamed), where.file, "eval")
    )


class _Called(ast.NodeTransformer):
    """Gives called functions a name that no parameter has."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name):
            node.func = ast.Name(f"<{node.func.id}>", ast.Load())
        return node


def _problem(node: ast.AST, known: frozenset[str]) -> str | None:
    """Return what is wrong with one node of a formula."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return _problem_of_call(node, name)
        case ast.Call(func=function):
            return f"`{ast.unparse(function)}` is no function of a formula"
        case ast.Name(id=name):
            if name not in known and name not in FUNCTIONS and name not in CONSTANTS:
                return f"`{name}` is no parameter, input or state"
        case ast.Attribute(attr=name):
            if name not in ATTRIBUTES:
                return f"there is no attribute `{name}`"
        case ast.Constant(value=value):
            if not isinstance(value, int | float | str | None):
                return f"`{value!r}` is no constant of a formula"
        case _ if not isinstance(node, _NODES):
            return f"a formula holds no {type(node).__name__}"
    return None


def _problem_of_call(node: ast.Call, name: str) -> str | None:
    """Return what is wrong with the call of a function: a proof would take it for a refusal."""
    if name not in FUNCTIONS:
        return f"there is no function `{name}`"
    signature = _signature(name)
    is_written_out = not any(isinstance(one, ast.Starred) for one in node.args)
    if signature is None or not is_written_out or any(one.arg is None for one in node.keywords):
        return None
    try:
        signature.bind(*node.args, **{one.arg: one.value for one in node.keywords if one.arg})
    except TypeError as error:
        return f"`{name}`: {error}"
    return None


@cache
def _signature(name: str) -> inspect.Signature | None:
    try:
        return inspect.signature(FUNCTIONS[name])
    except ValueError:  # some functions of numpy have none
        return None
