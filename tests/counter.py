"""An independent count of the references to torch convolutions, by another method than the tool's.

Python's own `symtable` says which scope a name belongs to, and imports are the only way in; what
the tool finds with its own scope table on selected lines, this finds by walking everything.
"""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from collections.abc import Iterator

_CLASS = re.compile(
    r"torch\.nn\.(?:modules\.(?:conv\.)?)?((?:Lazy)?Conv(?:Transpose)?[123]d)"
    r"|torch\.(?:nn\.functional\.)?(conv(?:_transpose)?[123]d)"
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Table = symtable.SymbolTable


def count(text: str) -> int:
    """Return how many references to a torch convolution the text holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
        table = symtable.symtable(text, "<text>", "exec")
    return sum(1 for _ in _Walk(tree, table).found())


class _Walk:
    def __init__(self, tree: ast.Module, table: Table) -> None:
        self.tree = tree
        self.module = table
        self.imports: dict[tuple[int, str], str] = {}
        self.stars: list[str] = []
        self.unused = {id(t): list(t.get_children()) for t in _all(table)}

    def found(self) -> Iterator[ast.AST]:
        pairs = list(self._visit(self.tree, [self.module]))
        for node, chain in pairs:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._enter(node, chain)
        for node, chain in pairs:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._enter_alias(node.targets[0], node.value, chain)
            if isinstance(node, ast.AnnAssign) and node.value:
                self._enter_alias(node.target, node.value, chain)
        for node, chain in pairs:
            dotted = _dotted(node)
            if dotted and _is_convolution(self._meaning(dotted, chain)):
                yield node

    def _visit(self, node: ast.AST, chain: list[Table]) -> Iterator[tuple[ast.AST, list[Table]]]:
        stack = [(node, chain)]
        while stack:
            current, tables = stack.pop()
            yield current, tables
            stack.extend(reversed(list(self._children(current, tables))))

    def _children(self, node: ast.AST, chain: list[Table]) -> Iterator[tuple[ast.AST, list[Table]]]:
        inside = self._inside(node, chain)
        outside: list[ast.AST] = []
        if isinstance(node, _FUNCTIONS):
            body = node.body if isinstance(node.body, list) else [node.body]
            outside = [c for c in ast.iter_child_nodes(node) if c not in body]
        elif isinstance(node, ast.ClassDef):
            outside = [*node.decorator_list, *node.bases, *node.keywords]
        elif isinstance(node, _COMPREHENSIONS):
            first = node.generators[0]
            yield first.iter, chain
            yield from ((c, inside) for c in (first.target, *first.ifs))
            outside = [first]
        for child in ast.iter_child_nodes(node):
            if child not in outside:
                yield child, inside
            elif not isinstance(child, ast.comprehension):
                yield child, chain

    def _inside(self, node: ast.AST, chain: list[Table]) -> list[Table]:
        """Return the chain of symbol tables inside a node that opens a scope."""
        if not isinstance(node, (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)):
            return chain
        children = self.unused[id(chain[0])]
        name = getattr(node, "name", None) or {
            ast.Lambda: "lambda", ast.ListComp: "listcomp", ast.SetComp: "setcomp",
            ast.DictComp: "dictcomp", ast.GeneratorExp: "genexpr",
        }.get(type(node), "")  # fmt: skip
        for table in children:
            if table.get_name() == name and table.get_lineno() in (node.lineno, _first(node)):
                children.remove(table)
                return [*_opened(table), *chain]
        if isinstance(node, _COMPREHENSIONS):
            return chain  # inlined, as since Python 3.12
        raise AssertionError(f"no symbol table for {name} in line {node.lineno}")

    # --- meanings ---

    def _enter(self, node: ast.Import | ast.ImportFrom, chain: list[Table]) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                local = alias.asname or alias.name.partition(".")[0]
                target = alias.name if alias.asname else local
            else:
                module = "." * node.level + (node.module or "")
                local, target = alias.asname or alias.name, f"{module}.{alias.name}"
                if alias.name == "*":
                    self.stars.append(module)
                    continue
            home = self._home(local, chain)
            known = self.imports.get((id(home), local))
            if known is None or not known.startswith("torch"):
                self.imports[id(home), local] = target

    def _enter_alias(self, target: ast.expr, value: ast.expr, chain: list[Table]) -> None:
        """`nn = torch.nn` is an import by other means."""
        dotted = _dotted(value)
        if isinstance(target, ast.Name) and dotted:
            meaning = self._meaning(dotted, chain)
            if meaning.startswith("torch") and not _is_convolution(meaning):
                self.imports.setdefault((id(self._home(target.id, chain)), target.id), meaning)

    def _meaning(self, dotted: str, chain: list[Table]) -> str:
        root, _, rest = dotted.partition(".")
        home = self._home(root, chain)
        target = self.imports.get((id(home), root))
        if target is None and root not in {
            s.get_name() for s in home.get_symbols() if _is_bound(s)
        }:
            stars = [f"{star}.{root}" for star in self.stars]
            target = next((name for name in stars if _is_convolution(name)), None)
        return f"{target}.{rest}".rstrip(".") if target else ""

    def _home(self, name: str, chain: list[Table]) -> Table:
        """Return the table that owns `name` when it is used in the first of the chain."""
        for index, table in enumerate(chain):
            if index and table.get_type() == "class":
                continue
            try:
                symbol = table.lookup(name)
            except KeyError:
                continue
            if symbol.is_declared_global():
                return chain[-1]
            if symbol.is_local() and _is_bound(symbol):
                return table
        return chain[-1]


def _is_bound(symbol: symtable.Symbol) -> bool:
    binds = (symbol.is_assigned, symbol.is_parameter, symbol.is_imported, symbol.is_namespace)
    return any(bind() for bind in binds)


def _all(table: Table) -> Iterator[Table]:
    yield table
    for child in table.get_children():
        yield from _all(child)


def _opened(table: Table) -> list[Table]:
    """Return the table of a generic function or class below that of its type parameters."""
    if "type param" in str(table.get_type()).lower().replace("_", " "):
        inner = [child for child in table.get_children() if child.get_name() == table.get_name()]
        return [*inner[:1], table]
    return [table]


def _first(node: ast.AST) -> int:
    """Return the line of the first decorator, or the node's own."""
    starts = [*getattr(node, "decorator_list", ()), node]
    return min(int(start.lineno) for start in starts)


def _dotted(node: ast.AST) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return ""
    return ".".join([node.id, *reversed(parts)])


def _is_convolution(name: str) -> bool:
    return _CLASS.fullmatch(name) is not None
