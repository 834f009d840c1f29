"""Resolves references to torch APIs through imports, aliases and shadowing, from the ast alone.

Only statements on whose lines a wanted name occurs are searched for references.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mapper.analysis.annotations import forward_reference, in_annotation
from mapper.analysis.lines import lines_with, newlines
from mapper.analysis.project import (
    bound_in,
    doubt,
    doubt_by_star,
    handed_on,
    handed_on_by_module,
    handed_on_by_star,
    is_taken,
)
from mapper.analysis.project_files import find
from mapper.analysis.project_uses import facts_of
from mapper.analysis.replaced import Setting, settings_elsewhere, settings_here
from mapper.analysis.scopes import (
    SCOPED,
    Binding,
    Scope,
    Scopes,
    inner_scopes,
    own_expressions,
    spans,
    statements_on,
)
from mapper.analysis.torch_names import is_torch, is_torch_module
from mapper.analysis.walk import children, walk
from mapper.model.record import record

# either word as a statement has it: in prose, something else than a blank may follow
_BORROWING = tuple(map(re.compile, (r"global[ \t\f\\]", r"nonlocal[ \t\f\\]")))
_DEEPEST = 200  # blanks before a statement; lines that are indented deeper are not searched
_LISTED = 10  # lines that a message names
_MOST_NAMES = 100  # local names that are searched for; with more, every line is looked at

# Maps a qualified name to the API it means ("torch.nn.modules.conv.Conv2d" -> "torch.nn.Conv2d").
Canonical = Callable[[str], str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """An expression that means a torch API.

    `node` is the name or attribute chain itself, `call` the call whose function it is. `root` is
    the local name that the chain starts from (None for what is no import's: a method of a Tensor)
    and `home` the scope that binds it. `problem` says why the meaning is not certain. `parents`
    leads from `node` outwards to its statement.
    """

    api: str
    node: ast.expr
    call: ast.Call | None
    scope: Scope
    root: ast.Name | None
    home: Scope
    parents: tuple[ast.AST, ...]
    problem: str | None = None


@record(frozen=True, slots=True)
class Meaning:
    """What a dotted expression resolves to; `problem` when it may also be something else."""

    name: str
    home: Scope
    problem: str | None = None


class Names:
    """The scopes of one module and the references in it; `walrus` and `lines` as in Scopes.

    With a `path`, names that other files of the project hand on are understood too. `words` is a
    regular expression for the ends of the wanted APIs' names. `is_whole`: every name of torch's is
    wanted, also those that `canonical` does not know.
    """

    def __init__(
        self,
        tree: ast.Module,
        canonical: Canonical,
        walrus: Sequence[int] | None = None,
        has_borrowing: bool = True,
        lines: Sequence[int] | None = None,
        path: Path | None = None,
        words: str | None = None,
        text: str = "",
        is_whole: bool = False,
    ) -> None:
        self.is_whole = is_whole
        self.tree = tree
        self._text = text
        self._settings: tuple[Setting, ...] | None = None
        self.words = re.compile(words) if words else None
        self.path = path
        self.unasked = set[str]()
        self.canonical = canonical
        self.scopes = Scopes(tree, walrus, has_borrowing, lines)
        self._wanted: dict[tuple[Scope, str], bool] = {}
        self._meanings: dict[tuple[Scope, str, int], Meaning | None] = {}

    def imports(self) -> Iterator[tuple[Scope, str, Binding]]:
        """Yield every import of the file: the scope, the local name and the binding."""
        for scope in self.scopes.all:
            for name, bindings in scope.bindings.items():
                for binding in bindings:
                    if binding.kind == "import":
                        yield scope, name, binding

    def is_wanted(self, binding: Binding) -> bool:
        """Say whether an import brings in a wanted API itself, under whatever name."""
        if self.words is not None and not self.words.search(binding.target or ""):
            return False  # decided without reading other files
        target = self._target(binding, self.scopes.module, 0)
        return bool(target) and self.canonical(str(target)) is not None

    def renamed(self) -> Iterator[Reference]:
        """Yield the wanted APIs that other files import from here under a name that hides them."""
        if self.path is None or self.words is None or not self.path.is_file():
            return
        module = self.scopes.module
        for name, bindings in module.bindings.items():
            for binding in bindings:
                if self.words.search(name) or not binding.alias or not self.is_wanted(binding):
                    continue
                api = self.canonical(self._target(binding, module, 0) or "")
                if api is not None and self.is_taken(name):
                    root = ast.copy_location(ast.Name(name, ast.Load()), binding.alias)
                    yield Reference(api, root, None, module, root, module, ())

    def is_taken(self, name: str) -> bool:
        """Say whether another file may take a name of the module's from here.

        Without a path that is not known, and the name is added to `unasked` for the report.
        """
        if self.path is not None:
            return is_taken(self.path, name)
        self.unasked.add(name)
        return False

    def brings_torch(self, binding: Binding) -> bool:
        """Say whether a binding imports torch, or a name of torch's through another file."""
        found = self._target(binding, self.scopes.module, 0)
        return binding.kind == "import" and found is not None and is_torch(found)

    def _may_be_wanted(self, words: list[str], scope: Scope) -> bool:
        """Say whether a chain of names could mean a wanted API, without resolving it."""
        if self.words is None or any(map(self.words.search, words)):
            return True
        found = scope.lookup(words[0])
        if found is None:
            return False
        key = found[0], words[0]  # a name may be bound on every line
        if key not in self._wanted:
            self._wanted[key] = any(map(self.is_wanted, found[1]))
        return self._wanted[key]

    def is_bound(self, name: str) -> bool:
        """Say whether any scope of the file binds `name`."""
        return self.binders(name) > 0

    def binders(self, name: str) -> int:
        """Return how many scopes of the file bind `name`."""
        return sum(name in scope.bindings for scope in self.scopes.all)

    def meaning(self, node: ast.expr, scope: Scope, depth: int = 8) -> Meaning | None:
        """Resolve a name or attribute chain to a qualified name, through imports and aliases."""
        chain = _chain(node)
        if chain is None:
            return None
        root, attributes = chain
        found = self._meaning_of_name(root.id, scope, depth)
        if found is None:
            return None
        return Meaning(".".join([found.name, *attributes]), found.home, found.problem)

    def _meaning_of_name(self, name: str, scope: Scope, depth: int) -> Meaning | None:
        home = scope.lookup(name)
        if home is None:
            return self._meaning_of_star(name, scope)
        key = home[0], name, depth
        if key not in self._meanings:
            self._meanings[key] = self._meaning_of_bindings(name, *home, depth)
        return self._meanings[key]

    def _meaning_of_bindings(
        self, name: str, where: Scope, bindings: Sequence[Binding], depth: int
    ) -> Meaning | None:
        meanings = {self._target(binding, where, depth) for binding in bindings}
        meanings = {self.canonical(m) or m if m else m for m in meanings if m != ""}
        torch = sorted(m for m in meanings if m and is_torch(m))
        if not torch:
            others = [m for m in meanings if m]
            return Meaning(others[0], where) if len(meanings) == 1 and others else None
        if len(meanings) == 1:
            hidden = self._hidden(name, torch[0], where, bindings)
            return Meaning(torch[0], where, hidden or self._doubt(bindings))
        places = [str(getattr(b.statement, "lineno", "?")) for b in bindings]
        lines = ", ".join([*places[:_LISTED], *(["…"] if places[_LISTED:] else [])])
        return Meaning(torch[0], where, f"`{name}` is bound more than once (lines {lines})")

    def _doubt(self, bindings: Sequence[Binding]) -> str | None:
        """Say why a name from another file may be something else than torch's."""
        for binding in bindings:
            if self.path is not None and isinstance(binding.statement, ast.ImportFrom):
                target = binding.target or ""
                if not is_torch(target) and (found := doubt(target, self.path)):
                    return found
        return None

    def _hidden(self, name: str, api: str, where: Scope, bindings: Sequence[Binding]) -> str | None:
        """Say which later `from … import *` brings something else under a name of the module."""
        if self.path is None or where.kind != "module" or not where.stars:
            return None
        last = max(getattr(one.statement, "lineno", 0) for one in bindings)
        for star, line in facts_of(self.tree).stars:
            file = find(star, self.path) if line > last else None
            if file is None or name.startswith("_") or not bound_in(file, name):
                continue
            brought = handed_on_by_star(star, name, self.path)
            if brought is None or (self.canonical(brought) or brought) != api:
                return f"`from {star} import *` (line {line}) may bring another `{name}`"
        return None

    def _meaning_of_star(self, name: str, scope: Scope) -> Meaning | None:
        module = scope.module()
        for star in module.stars:
            problem = f"`{name}` comes in through `from {star} import *`"
            if is_torch(star) and self.canonical(f"{star}.{name}"):
                return Meaning(f"{star}.{name}", module, problem)
            found = handed_on_by_star(star, name, self.path) if self.path else None
            if found and self.path:
                is_sure = len(module.stars) == 1
                why = doubt_by_star(star, name, self.path) if is_sure else problem
                return Meaning(found, module, why)
        return None

    def _target(self, binding: Binding, home: Scope, depth: int) -> str | None:
        """Return the qualified name a binding gives, "" for a placeholder, None for unknown."""
        if binding.kind == "import":
            target = binding.target or ""
            if self.path is None or is_torch(target) or isinstance(binding.statement, ast.Import):
                return target
            return handed_on(target, self.path) or target
        if binding.kind != "assign" or binding.value is None or depth == 0:
            return None
        if isinstance(binding.value, ast.Constant) and binding.value.value is None:
            return ""  # `except ImportError: nn = None`
        found = self.meaning(binding.value, home, depth - 1)
        is_module = found and not found.problem and is_torch_module(found.name)
        return found.name if found and is_module else None

    def references(self, lines: Iterable[int]) -> Iterator[Reference]:
        """Yield, in source order, the references on the given lines (those of `wanted_lines`)."""
        wanted = sorted(set(lines))
        if wanted:
            statements = statements_on(self.tree, wanted)
            found = [r for s in statements for r in self._in_statement(s, wanted)]
            found.sort(key=lambda r: (r.node.lineno, r.node.col_offset))
            yield from found

    def _in_statement(self, statement: ast.AST, lines: list[int]) -> Iterator[Reference]:
        """Yield the references in a statement's own expressions, with the scope of each."""
        home = self.scopes.home[statement]
        top = _Link(statement, None)
        stack = [(child, home, top) for child in own_expressions(statement)]
        while stack:
            node, scope, above = stack.pop()
            if isinstance(node, _LONG) and not spans(node, lines) and not _in_f_string(above):
                continue  # the elements of a large table need not be looked at
            if isinstance(node, ast.Name | ast.Attribute) and _chain(node) is not None:
                yield from self._in_chain(node, scope, above)
                continue
            link = _Link(node, above)
            if isinstance(node, ast.Constant):
                yield from self._in_string(node, scope, link)
                continue
            if isinstance(node, SCOPED):
                stack.extend((child, inner, link) for child, inner in inner_scopes(node, scope))
            else:
                stack.extend([(child, scope, link) for child in children(node)])

    def _in_string(self, node: ast.Constant, scope: Scope, link: _Link) -> Iterator[Reference]:
        """Yield the references in an annotation that is a string."""
        if not isinstance(node.value, str) or not in_annotation(node, link.outer or ()):
            return
        found = forward_reference(node)
        if found is None:
            return
        inner, is_placed = found
        stack: list[tuple[ast.AST, _Link]] = [(inner, link)]
        while stack:
            part, above = stack.pop()
            if isinstance(part, ast.Name | ast.Attribute) and _chain(part) is not None:
                for one in self._in_chain(part, scope, above):
                    odd = None if is_placed else "it stands in a string that is not a plain one"
                    yield replace(one, problem=one.problem or odd)
            elif not isinstance(part, SCOPED):
                stack.extend((child, _Link(part, above)) for child in children(part))

    def _in_chain(self, node: ast.expr, scope: Scope, link: _Link) -> Iterator[Reference]:
        """Yield the reference whose API is a prefix of the chain: `nn.Conv2d` of `….__init__`."""
        levels = [node]
        while isinstance(levels[-1], ast.Attribute):
            levels.append(levels[-1].value)
        root = levels[-1]
        if not isinstance(root, ast.Name) or not isinstance(root.ctx, ast.Load):
            return
        chain = [root.id, *(one.attr for one in levels if isinstance(one, ast.Attribute))]
        if not self._may_be_wanted(chain, scope):
            return
        found = self._meaning_of_name(root.id, scope, 8)
        if found is None:
            return
        name = found.name
        for index in range(len(levels) - 1, -1, -1):
            level = levels[index]
            if isinstance(level, ast.Attribute):
                name = f"{name}.{level.attr}"
            api = self._api(name)
            if api is None and self.is_whole and index == 0 and is_torch(name):
                api = name
            if api is None or (index and is_torch_module(api)):
                continue  # what is read from a module is found by its own, longer name
            above = (*reversed(levels[:index]), *link)
            call = above[0] if isinstance(above[0], ast.Call) and above[0].func is level else None
            is_read = isinstance(getattr(node, "ctx", None), ast.Load)
            problem = found.problem or (self._replaced(api, name) if is_read else None)
            yield Reference(api, level, call, scope, root, found.home, above, problem)
            return

    def _replaced(self, api: str, name: str) -> str | None:
        """Say where the program gives torch's name, or a module's for it, another value."""
        if self.words is None and not self.is_whole:
            return None
        if self.path is not None and not is_torch(name) and (found := doubt(name, self.path)):
            return found
        if self._settings is None:
            names = frozenset(self._torch_words()) if self.words is None else None
            whole = rf"\b(?:{'|'.join(sorted(map(re.escape, names or ())))})\b"
            words = self.words.pattern if self.words else whole
            here = settings_here(self.tree, self._text, words, self.path)
            there = settings_elsewhere(self.path, words, names) if self.path else ()
            self._settings = (*here, *there)
        for one in self._settings:
            if one.sets(api, self.canonical):
                return f"`{api}` may be another class: {one.file} sets it (line {one.line})"
        return None

    def _torch_words(self) -> set[str]:
        """Return the last names of all that the file takes from torch."""
        locals_ = {local for _, local, binding in self.imports() if self.brings_torch(binding)}
        words = {binding.target.rpartition(".")[2] for _, _, binding in self.imports()
                 if binding.target and is_torch(binding.target)}  # fmt: skip
        for node in walk(self.tree):
            chain = _chain(node) if isinstance(node, ast.Attribute) else None
            if chain is not None and chain[0].id in locals_:
                words.update(chain[1])
        return words

    def _api(self, name: str) -> str | None:
        """Return the wanted API that a qualified name means, also through a project's module."""
        if not is_torch(name) and self.path is not None and "." in name.lstrip("."):
            name = handed_on_by_module(name, self.path) or ""
        return self.canonical(name) if is_torch(name) else None


def read_names(
    tree: ast.Module, text: str, canonical: Canonical, words: str | None, path: Path | None = None
) -> Names:
    """Return the names of a module, looking only where one of the `words` stands.

    Without words, every reference to torch is wanted, and everything is looked at.
    """
    has_borrowing = _may_borrow(text)
    if words is None:
        walrus = lines_with(text, ":=")
        return Names(tree, canonical, walrus, has_borrowing, None, path, text=text, is_whole=True)
    lines, walrus = lines_with(text, words), lines_with(text, ":=")
    while True:
        within = None if has_borrowing else lines
        names = Names(tree, canonical, walrus, has_borrowing, within, path, words, text)
        wanted = wanted_lines(text, names, words)
        if within is None or len(wanted) == len(lines):
            return names
        lines = wanted


def _may_borrow(text: str) -> bool:
    """Say whether there may be a `global` or `nonlocal`; the word alone also occurs in prose."""
    for found in (match for word in _BORROWING for match in word.finditer(text)):
        before = text[max(0, found.start() - _DEEPEST) : found.start()].rstrip(" \t\f")
        if not before or before[-1] in "\r\n;:":
            return True
    return False


def wanted_lines(text: str, names: Names, words: str | None) -> list[int]:
    """Return the 1-based lines on which a wanted name may stand: any, without `words`.

    Local names that an import gives to such an API are added to the `words`.
    """
    if words is None:
        return list(range(1, newlines(text, 0, len(text)) + 2))
    locals_ = {local for _, local, binding in names.imports() if names.is_wanted(binding)}
    added = sorted(local for local in locals_ if not re.search(words, local))
    if not added:
        return lines_with(text, words)
    if len(added) > _MOST_NAMES:
        return list(range(1, newlines(text, 0, len(text)) + 2))
    return lines_with(text, rf"{words}|\b(?:{'|'.join(map(re.escape, added))})\b")


@dataclass(slots=True)
class _Link:
    """A node and those around it, as a linked list, so that deep nesting costs linear memory."""

    node: ast.AST
    outer: _Link | None

    def __iter__(self) -> Iterator[ast.AST]:
        link: _Link | None = self
        while link:
            yield link.node
            link = link.outer


def _in_f_string(link: _Link) -> bool:
    """Say whether a node's position cannot be relied on, before Python 3.12."""
    return any(isinstance(node, ast.JoinedStr) for node in link)


_LONG = (ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Call)


def _chain(node: ast.expr) -> tuple[ast.Name, list[str]] | None:
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node, attributes[::-1]) if isinstance(node, ast.Name) else None


def dotted_name(node: ast.expr) -> str | None:
    """Return the text of a name or attribute chain."""
    chain = _chain(node)
    return ".".join([chain[0].id, *chain[1]]) if chain else None
