"""How MindSpore is named in one file, and what that does to its import block.

All or nothing per name: `import torch.nn as nn` becomes `import mindspore.nn as nn` only when every
use of `nn` was migrated. Otherwise the torch import stays and `ms_nn` is imported beside it.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mapper.analysis.lines import folded, lines_with
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Reference, dotted_name
from mapper.analysis.scopes import Binding, Scope, spans
from mapper.analysis.torch_names import is_torch
from mapper.analysis.walk import children, walk
from mapper.files.source import Edit
from mapper.rulebook.helpers import HELPERS, Helper

MODULES = {"mindspore.nn": "ms_nn", "mindspore.ops": "ms_ops", "mindspore": "ms"}
"""The MindSpore modules that rewrites name, inner ones first, and the local names they get."""

_MOST_NAMES = 100  # local names for torch that are checked; with more, all their imports stay

_COUNTERPARTS = {
    "torch": "mindspore",
    "torch.nn": "mindspore.nn",
    "torch.nn.functional": "mindspore.ops",
}


_SPELLED_OTHERWISE = (r"\\", r"""["']\s*["']""")
"""A string may hold a name that its source does not: by an escape, or in pieces."""


@dataclass(slots=True)
class Swap:
    """Imports of one name, all of whose uses are migrated, and what takes their place."""

    bindings: list[Binding]
    target: str
    local: str


class Imports:
    """The names of one file after the rewrite. `migrated` are the references to be replaced."""

    def __init__(
        self,
        module: ParsedModule,
        migrated: Sequence[Reference],
        counterpart: Callable[[str], str | None],
    ) -> None:
        self._module = module
        self._counterpart = counterpart
        self._used: dict[str, str] = {}
        self._helpers: dict[str, str] = {}
        self._defined: dict[str, Helper] = dict(HELPERS)
        self._idle: list[Binding] = []
        self._swaps: dict[tuple[Scope, str], Swap] = {}
        self._removed: list[ast.stmt] = []
        first = min((r.node.lineno for r in migrated), default=len(module.index) + 1)
        self._leading = _leading(module.tree, first)
        by_name: dict[str, list[Reference]] = {}
        for reference in migrated:
            if reference.root is not None:
                by_name.setdefault(reference.root.id, []).append(reference)
        for local, references in by_name.items():
            if len(by_name) <= _MOST_NAMES:  # each is looked for in the whole text
                self._decide(local, references)

    @property
    def is_plain(self) -> bool:
        """Say whether every torch import stays, so that names are spelled as without `migrated`."""
        return not self._swaps

    # --- names ---

    def spell(self, api: str, reference: Reference) -> str:
        """Return how `api` (a MindSpore name or a helper class) is written at a reference."""
        if api in HELPERS:
            return self._helper(HELPERS[api])
        root = reference.root
        swap = self._swaps.get((reference.home, root.id)) if root is not None else None
        if swap and (api == swap.target or api.startswith(swap.target + ".")):
            return swap.local + api[len(swap.target) :]
        module = next(m for m in MODULES if api.startswith(m + "."))
        return self._local(module) + api[len(module) :]

    def read(self, node: ast.expr) -> str | None:
        """Return what a name in rewritten text stands for: the inverse of `spell`."""
        dotted = dotted_name(node) or ast.unparse(node)
        root, _, rest = dotted.partition(".")
        for helper, local in self._helpers.items():
            if dotted == local:
                return helper
        if not all(part.isidentifier() for part in dotted.split(".")):
            return None  # a method of a result: `ops.norm(x).clamp`
        targets = [swap.target for swap in self._swaps.values() if swap.local == root]
        targets += [module for module, local in self._used.items() if local == root]
        target = targets[-1] if targets else None
        return None if target is None else f"{target}.{rest}" if rest else target

    def _local(self, module: str) -> str:
        """Return the module-level name of a MindSpore module, and have it imported."""
        if module not in self._used:
            self._used[module] = self._present(module) or self._fresh(MODULES[module])
        return self._used[module]

    def _present(self, module: str) -> str | None:
        """Return a module-level name that already means `module` everywhere in the file."""
        names = self._module.names
        scope = names.scopes.module
        swaps = [swap for (home, _), swap in self._swaps.items() if home is scope]
        found = [(swap.local, swap.bindings) for swap in swaps if swap.target == module]
        for local, bindings in scope.bindings.items():
            if [binding.target for binding in bindings] == [module]:
                found.append((local, bindings))
        for local, bindings in found:
            if names.binders(local) <= 1 and self._is_early(bindings):
                return local
        return None

    def _is_early(self, bindings: Iterable[Binding]) -> bool:
        """Say whether the imports run before anything that may need them."""
        return all(
            any(_holds(statement, binding.statement) for statement in self._leading)
            for binding in bindings
        )

    def _fresh(self, wanted: str) -> str:
        name, number = wanted, 1
        text = folded(self._module.text)
        taken = set(re.findall(rf"\b{wanted}\d*\b", text)) if wanted in text else set[str]()
        while name in taken:
            number += 1
            name = f"{wanted}{number}"
        return name

    def define(self, helper: Helper) -> str:
        """Return the name of a function that the file gets inserted."""
        self._defined[helper.name] = helper
        return self._helper(helper)

    def _helper(self, helper: Helper) -> str:
        if helper.name not in self._helpers:
            for module in helper.modules:
                self._local(module)
            same = self._same_class(helper)
            self._helpers[helper.name] = same or self._fresh(helper.name)
        return self._helpers[helper.name]

    def _same_class(self, helper: Helper) -> str | None:
        """Return the helper's name when an earlier run has put it into this file."""
        wanted = _body(ast.parse(self._class_source(helper, helper.name)).body[0])
        for statement in self._module.tree.body:
            if not isinstance(statement, ast.ClassDef | ast.FunctionDef):
                continue
            if statement.name == helper.name:
                return helper.name if _body(statement) == wanted else None
        return None

    def _class_source(self, helper: Helper, name: str) -> str:
        nn, ops, ms = (self._used.get(m, "") for m in MODULES)
        return helper.source.format(name=name, nn=nn, ops=ops, ms=ms)

    # --- what becomes of the torch imports ---

    def _decide(self, local: str, migrated: Sequence[Reference]) -> None:
        """Swap or drop the imports of a name when every use of it was migrated."""
        homes = {r.home: r.home.bindings.get(local, []) for r in migrated}
        bindings = [binding for own in homes.values() for binding in own]
        roots = {id(r.root) for r in migrated}
        if not all(map(self._module.names.brings_torch, bindings)):
            return
        if self._is_used(local, roots, bindings):
            return
        is_global = any(home.kind == "module" for home in homes)
        if is_global and self._module.names.is_taken(local):
            return  # another file imports the name from here and expects torch's
        targets = {self._target_of(binding) for binding in bindings}
        target = targets.pop() if len(targets) == 1 else None
        new = {_local_after(b, local, target) for b in bindings} if target else set[str]()
        is_bound = any(map(self._module.names.is_bound, new - {local}))
        if target is None or len(new) > 1 or is_bound:
            self._idle.extend(bindings)
            return
        for home, own in homes.items():
            self._swaps[home, local] = Swap(own, target, *new)

    def _target_of(self, binding: Binding) -> str | None:
        return _COUNTERPARTS.get(binding.target or "") or self._counterpart(binding.target or "")

    def _is_used(self, local: str, migrated: set[int], bindings: Iterable[Binding]) -> bool:
        """Say whether the name occurs anywhere else; a comment or prose is not a use."""
        module = self._module
        word = re.compile(rf"{local}(?<!\w{local})(?!\w)")  # `re` is quick to find a literal
        own = sum(len(word.findall(folded(module.source(b.alias)))) for b in bindings if b.alias)
        if len(word.findall(folded(module.text))) == len(migrated) + own:
            return False
        patterns = (word.pattern, *_SPELLED_OTHERWISE)  # apart: `re` is slow with alternatives
        lines = sorted({line for one in patterns for line in lines_with(module.text, one)})
        nodes = _nodes_on(module.tree, lines)
        return any(_uses(node, word) and id(node) not in migrated for node in nodes)

    # --- edits ---

    def edits(self) -> list[Edit]:
        """Return the edits of the import block, and the helper classes to insert."""
        edits = list(self._statement_edits())
        wanted = [m for m, local in self._used.items() if self._present(m) != local]
        lines = [_import_line(module, self._used[module]) for module in sorted(wanted)]
        if lines:
            edits.append(self._insert_lines(lines))
        fresh = [(h, n) for h, n in self._helpers.items() if not self._module.names.is_bound(n)]
        if fresh:
            edits.append(self._insert_classes(fresh))
        return edits

    def _statement_edits(self) -> Iterator[Edit]:
        by_statement: dict[ast.AST, dict[ast.alias | None, str | None]] = {}
        for (_, local), swap in self._swaps.items():
            for binding in swap.bindings:
                changes = by_statement.setdefault(binding.statement, {})
                changes[binding.alias] = _import_text(binding, local, swap)
        for binding in self._idle:
            by_statement.setdefault(binding.statement, {})[binding.alias] = None
        for statement, changes in by_statement.items():
            assert isinstance(statement, ast.Import | ast.ImportFrom)
            yield from self._edit_statement(statement, changes)

    def _edit_statement(
        self, statement: ast.Import | ast.ImportFrom, changes: dict[ast.alias | None, str | None]
    ) -> Iterator[Edit]:
        """Take the aliases out of a statement and put their new imports behind it."""
        module = self._module
        new = _merged(dict.fromkeys(text for text in changes.values() if text))
        if isinstance(statement, ast.Import) and len(statement.names) > 1 and all(changes.values()):
            for alias, text in changes.items():
                assert alias is not None and text is not None
                yield Edit(module.start(alias), module.end(alias), text.removeprefix("import "))
            return
        kept = [alias for alias in statement.names if alias not in changes]
        start, end = module.start(statement), module.end(statement)
        if not kept:
            if in_place := self._same_layout(statement, changes, new):
                yield from in_place
            elif new:
                yield Edit(start, end, self._joined(statement, new))
            else:
                yield self._remove(statement)
            return
        for index, alias in enumerate(statement.names):
            if alias in changes:
                yield Edit(*_alias_span(module, statement.names, index, kept), "")
        if new:
            yield (
                Edit(end, end, "; " + "; ".join(new))
                if self._shares_line(statement)
                else (self._after_line(end, statement, new))
            )

    def _same_layout(
        self,
        statement: ast.Import | ast.ImportFrom,
        changes: Mapping[ast.alias | None, str | None],
        new: Sequence[str],
    ) -> list[Edit]:
        """Rename in place where one `from` import takes the place of another."""
        module = self._module
        start = module.start(statement)
        named = re.compile(r"from[ \t]+([\w.]+)[ \t]+import\b").match(module.text, start)
        if len(new) != 1 or not named or not all(changes.values()):
            return []
        head, _, _ = new[0].partition(" import ")
        edits = [Edit(*named.span(1), head.removeprefix("from "))]
        for alias, text in changes.items():
            assert alias is not None and text is not None
            names = text.partition(" import ")[2]
            edits.append(Edit(module.start(alias), module.end(alias), names))
        return edits

    def _joined(self, statement: ast.stmt, new: list[str]) -> str:
        if self._shares_line(statement):
            return "; ".join(new)
        return (self._module.newline + self._indent(statement)).join(new)

    def _after_line(self, end: int, statement: ast.stmt, lines: list[str]) -> Edit:
        at, start = self._module.line_end(end), self._module.newline + self._indent(statement)
        return Edit(at, at, "".join(start + line for line in lines))

    def _remove(self, statement: ast.stmt) -> Edit:
        """Remove a statement with its line, or leave `pass` where a block needs one."""
        module = self._module
        start, end = module.start(statement), module.end(statement)
        rest = module.text[end : module.line_end(end)]
        if self._shares_line(statement) or statement not in module.tree.body or rest.strip():
            return Edit(start, end, "pass")
        self._removed.append(statement)
        stop = module.line_end(end)
        after = re.compile(r"\r\n|\r|\n").match(module.text, stop)
        return Edit(start, after.end() if after else stop, "")

    def _indent(self, statement: ast.stmt) -> str:
        start = self._module.start(statement)
        return self._module.text[start - statement.col_offset : start]

    def _shares_line(self, statement: ast.stmt) -> bool:
        """Say whether something else than a comment stands on the statement's lines."""
        module = self._module
        end = module.end(statement)
        rest = module.text[end : module.line_end(end)].strip()
        return bool(self._indent(statement).strip()) or bool(rest and not rest.startswith("#"))

    # --- insertion points ---

    def _staying(self) -> list[ast.stmt]:
        return [statement for statement in self._leading if statement not in self._removed]

    def _insert_lines(self, lines: list[str]) -> Edit:
        staying = self._staying()
        plain = [s for s in staying if isinstance(s, ast.Import | ast.ImportFrom)]
        torch = [s for s in plain if _imports_torch(s)]
        anchor = next(iter([*reversed(torch), *reversed(plain), *reversed(staying)]), None)
        if anchor is not None and self._shares_line(anchor):
            at = self._module.end(anchor)
            return Edit(at, at, "".join(f"; {line}" for line in lines))
        return self._insert(lines, anchor)

    def _insert(self, lines: list[str], anchor: ast.stmt | None) -> Edit:
        module = self._module
        if anchor is not None:
            at = module.line_end(module.end(anchor))
            return Edit(at, at, "".join(module.newline + line for line in lines))
        body = module.tree.body
        first = [body[0], *getattr(body[0], "decorator_list", [])] if body else []
        at = min((module.index.line_start(n.lineno) for n in first), default=0)
        return Edit(at, at, "".join(line + module.newline for line in lines))

    def _insert_classes(self, classes: list[tuple[str, str]]) -> Edit:
        module, newline = self._module, self._module.newline
        sources = [self._class_source(self._defined[h], name).rstrip("\n") for h, name in classes]
        block = "\n\n\n".join(sources).replace("\n", newline)
        staying = self._staying()
        if not staying:
            return self._insert(["", "", block, "", ""], None)
        at = module.line_end(module.end(staying[-1]))
        blank = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n))*").match(module.text, at)
        lines_after = len(re.findall(r"\r\n|\r|\n", blank.group())) if blank else 0
        missing = max(0, 3 - lines_after) if module.text[at:].strip() else 0
        return Edit(at, at, newline * 3 + block + newline * missing)


def _leading(tree: ast.Module, before: int) -> list[ast.stmt]:
    """Return the statements at the top: docstring, imports, and blocks made of imports.

    They end above the line `before`, which has the first rewrite. An import that shares its line
    with another kind of statement is left out, unless it must come first.
    """
    body, count = tree.body, 0
    while count < len(body) and (_is_import_block(body[count]) or (not count and _is_doc(body[0]))):
        if (body[count].end_lineno or before) >= before:
            break
        count += 1
    while 0 < count < len(body) and body[count].lineno == body[count - 1].end_lineno:
        count -= 1
    if not count and body and (_is_doc(body[0]) or _is_future(body[0])):
        return body[:1]
    return body[:count]


def _holds(statement: ast.stmt, binding: ast.AST) -> bool:
    """Say whether `statement` surely runs the import `binding`."""
    if isinstance(statement, ast.Try):
        below = [statement.body, *(handler.body for handler in statement.handlers)]
        return any(_holds(inner, binding) for part in below for inner in part)
    return statement is binding


def _nodes_on(tree: ast.AST, lines: Sequence[int]) -> Iterator[ast.AST]:
    """Yield the nodes that reach one of the sorted lines."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.JoinedStr):  # its parts have wrong lines before Python 3.12
            yield from walk(node)
            continue
        yield node
        stack += [n for n in children(node) if not hasattr(n, "lineno") or spans(n, lines)]


def _uses(node: ast.AST, word: re.Pattern[str]) -> bool:
    match node:
        case ast.Name(id=name):
            return word.fullmatch(name) is not None
        case ast.Constant(value=str(value)):  # `__all__` or an annotation in quotes
            return word.search(value) is not None and _is_expression(value)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return any(map(word.fullmatch, names))
    return False


def _is_expression(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _local_after(binding: Binding, local: str, target: str) -> str:
    """Return the local name after the swap: a name given with `as` stays."""
    assert binding.alias is not None
    if binding.alias.asname:
        return local
    return (
        target.partition(".")[0]
        if isinstance(binding.statement, ast.Import)
        else (target.rpartition(".")[2])
    )


def _import_text(binding: Binding, local: str, swap: Swap) -> str:
    """Return the import statement that takes the place of one alias."""
    assert binding.alias is not None
    suffix = f" as {binding.alias.asname}" if binding.alias.asname else ""
    if isinstance(binding.statement, ast.ImportFrom):
        module, _, name = swap.target.rpartition(".")
        return f"from {module} import {name}{suffix}"
    name = swap.target if suffix else _COUNTERPARTS.get(binding.alias.name, "mindspore")
    return f"import {name}{suffix}"


def _import_line(module: str, local: str) -> str:
    return f"import {module} as {local}"


def _merged(imports: Iterable[str]) -> list[str]:
    """Join `from` imports of one module into one statement."""
    merged: dict[str, list[str]] = {}
    for text in imports:
        head, found, name = text.partition(" import ")
        merged.setdefault(head + found, []).append(name)
    return [head + ", ".join(names) for head, names in merged.items()]


def _alias_span(
    module: ParsedModule, names: list[ast.alias], index: int, kept: list[ast.alias]
) -> tuple[int, int]:
    """Return what to delete so that the rest of the list stays well formed."""
    start, end = module.start(names[index]), module.end(names[index])
    if any(alias in kept for alias in names[index + 1 :]):
        span = start, module.start(names[index + 1])
    else:
        span = module.end(names[index - 1]), end
    if "#" not in module.text[slice(*span)]:
        return span
    comma = re.compile(r"[ \t]*,").match(module.text, end)  # and the comment behind it stays
    return start, comma.end() if comma else end


def _body(statement: ast.stmt) -> str:
    assert isinstance(statement, ast.ClassDef | ast.FunctionDef)
    return "\n".join(ast.dump(part) for part in statement.body)


def _is_doc(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _is_import_block(statement: ast.AST) -> bool:
    """Say whether a statement imports and does nothing else; `if x: pass` imports nothing.

    A `pass` may stand for a notebook's magic, among its imports.
    """
    return isinstance(statement, ast.Pass) or (
        _only_imports(statement)
        and any(isinstance(node, ast.Import | ast.ImportFrom) for node in walk(statement))
    )


def _only_imports(statement: ast.AST) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
        return True
    if isinstance(statement, ast.Try):
        handlers = [s for handler in statement.handlers for s in handler.body]
        return all(map(_only_imports, statement.body)) and all(map(_is_simple, handlers))
    return (
        isinstance(statement, ast.If)
        and all(map(_only_imports, statement.body))
        and (all(map(_only_imports, statement.orelse)))
    )


def _is_simple(statement: ast.AST) -> bool:
    return isinstance(statement, ast.Assign | ast.Expr | ast.Raise) or _only_imports(statement)


def _imports_torch(statement: ast.Import | ast.ImportFrom) -> bool:
    names = (
        [alias.name for alias in statement.names]
        if isinstance(statement, ast.Import)
        else [statement.module or ""]
    )
    return any(is_torch(name) for name in names)
