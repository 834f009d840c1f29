"""Tells whether a layer that is put in a container stands behind one that gives a new Tensor.

Then it does not matter that it works in place, whoever calls the container: nobody else has the
Tensor that it changes. Where the order cannot be read off the code, it does matter.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

from mapper.analysis.project_uses import facts_of
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.walk import walk

_ADDING = frozenset(("append", "add_module", "register_module"))
_GROWING = _ADDING | {"insert", "extend", "setdefault", "update", "add"}
_DISPLAYS = (ast.List, ast.Tuple)

Test = Callable[[ast.expr], bool]


class LayerOrder:
    """The order in which the code of one file puts layers in containers.

    `is_new` says of an expression that it is a layer whose result is a new Tensor, whatever it
    is given.
    """

    def __init__(self, tree: ast.Module, is_new: Test) -> None:
        self._tree = tree
        self._parents = facts_of(tree).parents
        self._is_new = is_new

    def gives_new(self, call: ast.Call) -> bool:
        """Say whether the container that a call makes surely gives a new Tensor."""
        return self._last_of(list(listed(call)), call) is True

    def put(self, site: ast.AST) -> Iterator[ast.expr]:
        """Yield the layers that may come into a container which is made at a place in the code.

        These are all that are put in any container near it: in the function or class around it, or
        in the whole file where the container is handed something from elsewhere. What stands in the
        call of another Sequential is that one's.
        """
        for node in walk(self._region(site)):
            if self._is_anothers(node, site):
                continue
            match node:
                case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                    yield from elements
                case ast.Dict(values=values):
                    yield from values
                case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
                    yield element
                case ast.Call(func=ast.Attribute(attr=attr), args=args) if (
                    attr in _GROWING or attr == "__init__"
                ):
                    yield from args
                case ast.Call(args=args) if node is site:
                    yield from args
                case ast.Assign(targets=[ast.Subscript()], value=value):
                    yield value

    def _is_anothers(self, node: ast.AST, site: ast.AST) -> bool:
        """Say whether a list stands in the call of another Sequential: `Sequential(*[…])`."""
        if not isinstance(node, (*_DISPLAYS, ast.Dict, ast.ListComp, ast.GeneratorExp)):
            return False
        around: ast.AST | None = node
        while isinstance(around, ast.expr) and around is not site:
            if isinstance(around, ast.Call) and _word(around.func) == "Sequential":
                return True
            around = self._parents.get(around)
        return False

    def is_behind_new(self, layer: ast.expr) -> bool:
        """Say whether what stands before a layer in its container gives a new Tensor."""
        node: ast.expr = layer
        pair = self._parents.get(node)
        if isinstance(pair, ast.Tuple) and len(pair.elts) == 2 and pair.elts[1] is node:
            node = pair  # a name and a layer
        around = self._parents.get(node)
        if isinstance(around, _DISPLAYS):
            index = around.elts.index(node)
            found = self._last_of(around.elts[:index], around)
            return self._before_display(around) if found is None else found
        if not isinstance(around, ast.Call) or node not in around.args:
            return False
        match around.func:
            case ast.Attribute(value=owner, attr=attr) if attr in _ADDING:
                return self._before(ast.unparse(owner), around)
        return self._last_of(around.args[: around.args.index(node)], around) is True

    # --- from the place backwards -----------------------------------------------------------------

    def _before_display(self, display: ast.expr) -> bool:
        """Say whether what a list is added to ends with a layer that gives a new Tensor."""
        match self._parents.get(display):
            case ast.AugAssign(target=target) as statement:
                return self._before(ast.unparse(target), statement)
            case ast.BinOp(left=left, op=ast.Add(), right=right) if right is display:
                return self._last_of([ast.Starred(left)], display) is True
            case ast.Call(func=ast.Attribute(value=owner, attr="extend")) as call:
                return self._before(ast.unparse(owner), call)
        return False

    def _last_of(self, elements: Sequence[ast.expr], at: ast.AST) -> bool | None:
        """Say whether the last layers give a new Tensor; None where all may hand theirs on."""
        for one in reversed(elements):
            if isinstance(one, ast.Starred):
                return self._before(ast.unparse(one.value), at)
            match one:
                case ast.Tuple(elts=[_, layer]):
                    one = layer
            if self._is_new(one):
                return True
        return None

    def _before(self, container: str, at: ast.AST) -> bool:
        """Say the same of what a container holds when a place in the code is reached."""
        node = at
        while not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Module, ast.Lambda)):
            owner = self._parents.get(node)
            if owner is None:
                return False
            for name in ("body", "orelse", "finalbody"):
                body = getattr(owner, name, None)
                if not isinstance(body, list) or node not in body:
                    continue
                found = self._in_block(body[: body.index(node)], container)
                if found is None and isinstance(owner, ast.For | ast.AsyncFor | ast.While):
                    is_lost = self._in_block(body, container) is False  # in the round before
                    found = False if is_lost else None
                if found is not None or isinstance(owner, ast.Try):
                    return found is True
            node = owner
        return False

    def _in_block(self, body: Sequence[ast.stmt], container: str) -> bool | None:
        """Say the same of a block; None where it puts nothing new in the container."""
        for statement in reversed(body):
            found = self._in_statement(statement, container)
            if found is not None:
                return found
        return None

    def _in_statement(self, statement: ast.stmt, container: str) -> bool | None:
        match statement:
            case ast.If(body=body, orelse=orelse):
                found = self._in_block(body, container), self._in_block(orelse, container)
                return False if False in found else (True if found == (True, True) else None)
            case ast.For(body=body) | ast.While(body=body) | ast.With(body=body):
                found_inside = self._in_block(body, container)
                is_sure = isinstance(statement, ast.With) or found_inside is not True
                return found_inside if is_sure else None
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=attr)) as call) if (
                attr in (*_ADDING, "extend") and ast.unparse(owner) == container
            ):
                given = call.args[-1:]
                match given:
                    case [ast.List(elts=elements)] if attr == "extend":
                        given = elements
                    case [value] if attr == "extend":
                        given = [ast.Starred(value)]
                return self._last_of(given, statement)
            case ast.AugAssign(target=target, op=ast.Add(), value=value) if (
                ast.unparse(target) == container
            ):
                elements = value.elts if isinstance(value, _DISPLAYS) else [ast.Starred(value)]
                return self._last_of(elements, statement)
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ) if ast.unparse(target) == container:
                return self._made(value, statement) is True
        return False if self._hands_on(statement, container) else None

    def _made(self, value: ast.expr, at: ast.stmt) -> bool | None:
        """Say whether a container ends with such a layer when it is made."""
        match value:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return self._last_of(elements, at)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                found = self._made(right, at)
                return found if found is not None else self._made(left, at)
            case ast.Name() | ast.Attribute():
                return self._before(ast.unparse(value), at)
            case ast.Call() if self._is_new(value):
                return True
            case ast.Call(args=args):
                return self._last_of(list(listed(value)), at) if args else None
        return None

    def _hands_on(self, statement: ast.stmt, container: str) -> bool:
        """Say whether a statement may put something in the container that is not seen."""
        return any(
            isinstance(node, ast.Call)
            and (
                any(ast.unparse(one) == container for one in node.args)
                or (
                    isinstance(node.func, ast.Attribute)
                    and node.func.attr in _GROWING
                    and ast.unparse(node.func.value) == container
                )
            )
            for node in walk(statement)
        )

    # --- where to look ----------------------------------------------------------------------------

    def _region(self, site: ast.AST) -> ast.AST:
        """Return the code that may put something in a container made at a place."""
        if isinstance(site, ast.ClassDef):
            return site
        around: ast.AST = site
        while not isinstance(around, (*FUNCTIONS, ast.Module)):
            around = self._parents.get(around, self._tree)
        given = list(listed(site)) if isinstance(site, ast.Call) else []
        own = {
            node.id
            for node in walk(around)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for one in given:
            value = one.value if isinstance(one, ast.Starred) else one
            is_own = isinstance(value, ast.Name) and value.id in own
            if isinstance(one, ast.Starred) and not is_own:
                return self._tree
        return around


def _word(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def listed(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the layers that a call gives a container, also those in a list or OrderedDict."""
    for one in call.args:
        match one:
            case ast.Starred(value=ast.List(elts=elements) | ast.Tuple(elts=elements)):
                yield from elements
            case ast.Call(args=[ast.List(elts=pairs)]):
                yield from (pair.elts[-1] for pair in pairs if isinstance(pair, ast.Tuple))
            case ast.Call(args=[ast.Dict(values=values)]):
                yield from values
            case _:
                yield one
