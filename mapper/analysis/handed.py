"""Where a class goes that is handed on as a value, and which calls are made of it there.

It is followed through names, attributes, parameters, tables, `functools.partial` and results, in
whatever file of the project. What cannot be followed is said: then somebody may call it unseen.
Names are followed whatever the order of statements, and attributes by their name alone, which errs
towards more calls.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mapper import limits
from mapper.analysis.project import origin, origin_of, places
from mapper.analysis.project_files import entries, parse, plain_text, root_of
from mapper.analysis.project_uses import Facts, facts_of
from mapper.analysis.scopes import FUNCTIONS, Scope, Scopes
from mapper.model.record import record

_COPIES = frozenset(
    (
        "dict", "list", "tuple", "OrderedDict", "set", "frozenset", "sorted", "zip", "reversed",
        "enumerate", "iter", "next", "cast", "copy", "deepcopy",
    )
)  # fmt: skip
_LOOKS = frozenset(("print", "str", "repr", "len", "callable", "hasattr", "format", "bool", "id"))
_READS = frozenset(("get", "pop", "values", "items", "copy", "setdefault", "keys"))
_GROWS = frozenset(("append", "extend", "insert", "add", "update"))
_AS_CLASS = frozenset(("issubclass", "isclass", "signature"))
_UNSEEN = re.compile(
    rb"\b(?:vars|asdict|astuple|locals|globals|attrgetter|__dict__)\b"
    rb"|(?<![.\w])(?:eval|exec)\s*\("
    rb"|\bgetattr\s*\([^,()]*,\s*(?![\"'\s])"
)
"""What may read any attribute or name of an object."""

_Definition = ast.FunctionDef | ast.AsyncFunctionDef
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@record(frozen=True, slots=True)
class Reached:
    """A call of the class: its file (None: the one that was asked about) and the call.

    `partial` is the `functools.partial(…)` that it went through, and `home` the file of that.
    """

    file: Path | None
    call: ast.Call
    partial: ast.Call | None = None
    home: Path | None = None


@dataclass(slots=True, eq=False)
class Handed:
    """What becomes of a class as a value.

    `problem` says where it is lost from sight; `needs_class` the line where it must be a class and
    no function (a type test, a base, a key); `is_compared`: another value may be tested to be it.
    """

    calls: list[Reached] = field(default_factory=list)
    problem: str | None = None
    needs_class: int | None = None
    is_tested: bool = False
    is_compared: bool = False


@dataclass(slots=True, eq=False)
class _View:
    """One file as it is walked over."""

    file: Path | None
    tree: ast.Module
    facts: Facts
    scopes: dict[ast.AST, Scope] = field(default_factory=dict)
    _same: dict[tuple[object, ...], ast.AST] = field(default_factory=dict)

    def met(self, node: ast.AST) -> ast.AST | None:
        """Return the node that stands where one does which may be of another tree of the text.

        A large project is parsed anew where there is no room for all of its trees.
        """
        if node in self.facts.parents or node is self.tree:
            return node
        if not self._same:
            self._same.update({_place(one): one for one in self.facts.parents if _has_place(one)})
        found = self._same.get(_place(node))
        return found if type(found) is type(node) else None

    def parent(self, node: ast.AST) -> ast.AST:
        """Return the node around another one."""
        return self.facts.parents[node]

    def scope(self, node: ast.AST) -> Scope | None:
        """Return the scope of a module, class or function."""
        if not self.scopes:
            self.scopes.update({one.node: one for one in Scopes(self.tree).all})
        return self.scopes.get(node)

    def home(self, name: ast.AST, word: str) -> ast.AST | None:
        """Return the module, class, function or expression that binds a word read at a node."""
        child, is_first = name, True
        while child is not self.tree:
            parent = self.parent(child)
            match parent:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if (
                    child in parent.body
                ):
                    scope = self.scope(parent)
                    is_seen = is_first or not isinstance(parent, ast.ClassDef)
                    if scope is not None and word in scope.bindings and is_seen:
                        return parent
                    if scope is not None and scope.borrowed.get(word) == "global":
                        return self.tree
                    is_first = False
                case ast.Lambda(args=arguments, body=body) if body is child:
                    if word in {one.arg for one in _parameters(arguments)}:
                        return parent
                case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                    if any(_stores(one.target, word) for one in parent.generators):
                        return parent
            child = parent
        return self.tree

    def loads(self, word: str, home: ast.AST) -> Iterator[ast.Name]:
        """Yield where a word is read that a scope binds."""
        for chain in self.facts.chains.get(word, ()):
            name = chain.levels[0]
            if isinstance(name, ast.Name) and chain.is_loaded and self.home(name, word) is home:
                yield name

    def attributes(self, word: str) -> Iterator[ast.AST]:
        """Yield where an attribute of that name is read."""
        for node in self.facts.parents:
            is_it = isinstance(node, ast.Attribute) and node.attr == word
            if is_it and isinstance(getattr(node, "ctx", None), ast.Load):
                yield node

    def function_around(self, node: ast.AST) -> ast.AST:
        """Return the function, lambda or module that a node is in."""
        child = node
        while child is not self.tree:
            parent = self.parent(child)
            if isinstance(parent, _Function) and child is not getattr(parent, "args", None):
                return parent
            child = parent
        return self.tree

    def class_around(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the class that a node is in."""
        child = node
        while child is not self.tree:
            child = self.parent(child)
            if isinstance(child, ast.ClassDef):
                return child
        return None


_Step = tuple[_View, ast.AST, ast.Call | None]
_Target = tuple[_View, _Function]


class Follower:
    """Follows the classes of one file.

    `note` is told of names that other files might take, where there is no path to ask them.
    """

    def __init__(self, tree: ast.Module, path: Path | None, note: Callable[[str], object]) -> None:
        self._path = path.resolve() if path is not None and path.is_file() else None
        self._own = _View(None, tree, facts_of(tree))
        self._views: dict[Path, _View | None] = {}
        self._note = note

    def follow(self, node: ast.expr) -> Handed:
        """Return what becomes of the value of an expression of the file."""
        found = _Walk(self, Handed())
        found.run(self._own, node)
        return found.handed

    def view(self, file: Path | None) -> _View | None:
        """Return another file of the project; None where it cannot be read."""
        if file is None or file.resolve() == self._path:
            return self._own
        if file not in self._views:
            parsed = parse(file)
            is_seen = parsed is not None and not parsed.hidden
            self._views[file] = (
                _View(file, parsed.tree, facts_of(parsed.tree)) if parsed and is_seen else None
            )
        return self._views[file]

    def own(self, node: ast.AST) -> ast.AST | None:
        """Return the node of the file that stands where one of another tree of its text does."""
        return self._own.met(node)

    def path_of(self, view: _View) -> Path | None:
        """Return where a file is."""
        return view.file or self._path

    def mentioning(self, word: str) -> list[_View] | None:
        """Return the files in which a word stands, this one first; None for too many."""
        if self._path is None:
            self._note(word)
            return [self._own]
        found = entries(root_of(self._path.parent))
        if found is None:
            return None
        pattern = re.compile(rf"\b{re.escape(word)}\b".encode())
        views = [self._own]
        for entry in found:
            if entry.path.resolve() == self._path:
                continue
            text = plain_text(entry.path)
            if text is None or pattern.search(text):
                view = self.view(entry.path)
                if view is None or len(views) > limits.HANDED_FILES:
                    return None
                views.append(view)
        return views

    def is_handed_on_elsewhere(self, word: str) -> bool:
        """Say whether another file names something so without calling it."""
        views = self.mentioning(word)
        return views is None or any(
            not (isinstance(parent, ast.Call) and parent.func is node)
            for view in views[1:]
            for node, parent in view.facts.parents.items()
            if _last_word(node) == word and not isinstance(parent, ast.Attribute)
        )

    def is_hidden_in(self, view: _View) -> bool:
        """Say whether a file reads attributes by a computed name."""
        path = self.path_of(view)
        text = plain_text(path) if path is not None else None
        if text is None:
            return any(_UNSEEN.search(ast.unparse(one).encode()) for one in view.tree.body)
        return _UNSEEN.search(text) is not None

    def elsewhere(self, view: _View, name: str) -> list[tuple[_View, ast.AST]] | None:
        """Return where other files read a module-level name; None where that cannot be told."""
        path = self.path_of(view)
        if path is None:
            self._note(name)
            return []
        found = places(path, name)
        if found is None:
            return None
        result = list[tuple[_View, ast.AST]]()
        for file, read in found:
            other = self.view(file)
            node = other.met(read.node) if other is not None else None
            if other is None or node is None:
                return None
            result.append((other, node))
        return result

    def definitions(self, view: _View, func: ast.expr) -> list[tuple[_View, ast.AST]]:
        """Return the functions and classes of the project that an expression means."""
        path = self.path_of(view)
        if isinstance(func, ast.Name):
            home = view.home(func, func.id)
            scope = view.scope(home) if home is not None else None
            bindings = scope.bindings.get(func.id, []) if scope is not None else []
            if bindings and all(one.kind == "def" for one in bindings):
                return [(view, one.statement) for one in bindings]
            if bindings and home is not view.tree:
                targets = [one.target for one in bindings]
                found = origin(targets[0] or "", path) if path and targets[0] else None
                return self._of_origin(found) if len(bindings) == 1 else []
        found = origin_of(func, path) if path is not None else None
        return self._of_origin(found)

    def is_foreign(self, view: _View, func: ast.expr) -> bool:
        """Say whether a function is no part of the project."""
        root = func
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name):
            return False
        home = view.home(root, root.id)
        scope = view.scope(home) if home is not None else None
        bindings = scope.bindings.get(root.id, []) if scope is not None else []
        return any(one.kind == "import" for one in bindings)

    def _of_origin(self, found: object) -> list[tuple[_View, ast.AST]]:
        file, node = getattr(found, "file", None), getattr(found, "node", None)
        if file is None or node is None or getattr(found, "doubt", None):
            return []
        view = self.view(file)
        inner = view.met(node) if view is not None else None
        return [(view, inner)] if view is not None and inner is not None else []

    def behind(
        self, view: _View, node: ast.expr, depth: int = limits.PROJECT_HOPS
    ) -> list[tuple[_View, ast.AST]] | None:
        """Return the functions and classes that a value may be, by all that gives it; else None."""
        if depth == 0:
            return None
        if isinstance(node, ast.Constant) and node.value is None:
            return []
        if found := self.definitions(view, node):
            return found
        match node:
            case ast.IfExp(body=body, orelse=orelse):
                return self._all([(view, body), (view, orelse)], depth)
            case ast.BoolOp(values=values):
                return self._all([(view, one) for one in values], depth)
            case ast.Name(id=word):
                return self._behind_name(view, node, word, depth)
            case ast.Attribute(attr=word, value=ast.Name(id="self")):
                return self._behind_attribute(word, depth)
        return None

    def _all(
        self, given: Iterable[tuple[_View, ast.expr]], depth: int
    ) -> list[tuple[_View, ast.AST]] | None:
        result = list[tuple[_View, ast.AST]]()
        for view, node in given:
            found = self.behind(view, node, depth - 1)
            if found is None:
                return None
            result += [one for one in found if one not in result]
        return result

    def _behind_name(
        self, view: _View, node: ast.Name, word: str, depth: int
    ) -> list[tuple[_View, ast.AST]] | None:
        home = view.home(node, word)
        scope = view.scope(home) if home is not None else None
        given = list[tuple[_View, ast.expr]]()
        for binding in scope.bindings.get(word, ()) if scope is not None else ():
            if binding.kind == "parameter" and isinstance(home, FUNCTIONS):
                passed = self._passed(view, home, word)
                if passed is None:
                    return None
                given += passed
            elif binding.kind == "assign" and binding.value is not None:
                given.append((view, binding.value))
            else:
                return None
        return self._all(given, depth) if given else None

    def _behind_attribute(self, word: str, depth: int) -> list[tuple[_View, ast.AST]] | None:
        given = list[tuple[_View, ast.expr]]()
        for view in self.mentioning(word) or ():
            for node, parent in view.facts.parents.items():
                if not isinstance(node, ast.Attribute) or node.attr != word:
                    continue
                match parent:
                    case ast.Assign(value=value, targets=targets) if node in targets:
                        given.append((view, value))
                    case _ if not isinstance(node.ctx, ast.Load):
                        return None
        return self._all(given, depth) if given else None

    def _passed(
        self, view: _View, function: _Definition, parameter: str
    ) -> list[tuple[_View, ast.expr]] | None:
        """Return what all callers of a function (of its class) give a parameter, or None."""
        named, outer = function, view.parent(function)
        if isinstance(outer, ast.ClassDef):
            if function.name != "__init__":
                return None
            named = outer  # type: ignore[assignment]
        if named.decorator_list:
            return None
        home = view.home(named, named.name)
        uses: list[tuple[_View, ast.AST]] = [
            (view, one) for one in view.loads(named.name, home or view.tree)
        ]
        if home is view.tree:
            found = self.elsewhere(view, named.name)
            if found is None:
                return None
            uses += found
        names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        names = names[isinstance(outer, ast.ClassDef) :]
        given = [(view, one) for one in _defaults(function.args).get(parameter, ())]
        for other, use in uses:
            call = other.parent(use)
            if isinstance(call, ast.Call) and call.func is use:
                value = _argument(call, names, parameter)
                if value is None:
                    return None
                given += [(other, one) for one in value]
            elif not _is_mention(other, use):
                return None
        return given


def _argument(call: ast.Call, names: Sequence[str], parameter: str) -> list[ast.expr] | None:
    """Return what a call gives a parameter, in a list; None where that is not written out."""
    for keyword in call.keywords:
        if keyword.arg == parameter:
            return [keyword.value]
    place = names.index(parameter) if parameter in names else len(call.args)
    if any(isinstance(one, ast.Starred) for one in call.args[: place + 1]):
        return None
    if place < len(call.args):
        return [call.args[place]]
    return None if any(keyword.arg is None for keyword in call.keywords) else []


def _defaults(arguments: ast.arguments) -> dict[str, list[ast.expr]]:
    """Return the default of each parameter that has one, in a list."""
    positional = [*arguments.posonlyargs, *arguments.args]
    found = {
        parameter.arg: [default]
        for parameter, default in zip(
            reversed(positional), reversed(arguments.defaults), strict=False
        )
    }
    for parameter, other in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if other is not None:
            found[parameter.arg] = [other]
    return found


def _is_mention(view: _View, node: ast.AST) -> bool:
    """Say whether a class is only named: in an annotation, a type test or `super(…)`."""
    child = node
    while child is not view.tree:
        parent = view.parent(child)
        match parent:
            case ast.arg(annotation=annotation) | ast.AnnAssign(annotation=annotation):
                return child is annotation
            case ast.FunctionDef(returns=returns) | ast.AsyncFunctionDef(returns=returns):
                return child is returns
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass" | "super")):
                return True
            case ast.Subscript() | ast.Tuple() | ast.BinOp() | ast.List() | ast.Attribute():
                child = parent
            case _:
                return False
    return False


class _LostError(Exception):
    """The class goes where it cannot be followed; says where."""


@dataclass(slots=True, eq=False)
class _Walk:
    """One class on its way."""

    follower: Follower
    handed: Handed
    _seen: set[tuple[int, int]] = field(default_factory=set)
    _todo: list[_Step] = field(default_factory=list)
    _named: set[tuple[str, int, int]] = field(default_factory=set)
    _homes: dict[ast.Call, Path | None] = field(default_factory=dict)
    """The files of the partials on the way."""

    def run(self, view: _View, node: ast.AST) -> None:
        """Follow a value to wherever it goes."""
        self._add(view, node, None)
        try:
            while self._todo:
                if len(self._seen) > limits.HANDED_STEPS:
                    raise _LostError("it goes to too many places")
                self._step(*self._todo.pop())
        except _LostError as error:
            self.handed.problem = str(error)

    def _add(self, view: _View, node: ast.AST, partial: ast.Call | None) -> None:
        key = id(node), id(partial)
        if key not in self._seen:
            self._seen.add(key)
            self._todo.append((view, node, partial))

    def _lost(self, view: _View, node: ast.AST, words: str) -> _LostError:
        where = f" of {view.file.name}" if view.file else ""
        return _LostError(f"{words} (line {getattr(node, 'lineno', '?')}{where})")

    def _step(self, view: _View, node: ast.AST, partial: ast.Call | None) -> None:
        parent = view.parent(node)
        match parent:
            case ast.IfExp(test=test) | ast.If(test=test) | ast.While(test=test) if test is node:
                return
            case ast.IfExp() | ast.BoolOp() | ast.BinOp() | ast.Starred():
                self._add(view, parent, partial)
            case ast.Tuple() | ast.List() | ast.Set() | ast.ListComp() | ast.GeneratorExp():
                self._add(view, parent, partial)
            case ast.Dict(keys=keys):
                if node in keys:
                    self._tested(node)
                self._add(view, parent, partial)
            case ast.DictComp():
                self._add(view, parent, partial)
            case ast.NamedExpr(target=target):
                self._bind(view, target, partial)
                self._add(view, parent, partial)
            case ast.Assign(targets=targets):
                for target in targets:
                    self._bind(view, target, partial)
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
                self._bind(view, target, partial)
            case (
                ast.For(iter=source, target=target) | ast.comprehension(iter=source, target=target)
            ) if source is node:
                self._bind(view, target, partial)
            case ast.Subscript(value=value):
                if value is not node:  # looked up by the class
                    self._tested(node)
                else:
                    self._add(view, parent, partial)
            case ast.Call(func=func) if func is node:
                self._reach(view, parent, partial)
            case ast.Call() | ast.keyword():
                self._argument(view, node, parent, partial)
            case ast.arguments():
                self._default(view, node, parent, partial)
            case ast.Return():
                self._returned(view, parent, partial)
            case ast.Compare():
                self._compare(view, node, parent)
            case ast.Attribute(attr=attr):
                self._attribute(view, parent, attr, partial)
            case ast.ClassDef():
                self.handed.needs_class = parent.lineno
                raise self._lost(view, parent, f"`{parent.name}` derives from it")
            case ast.UnaryOp(op=ast.Not()) | ast.FormattedValue() | ast.Expr() | ast.Assert():
                return
            case _:
                raise self._lost(view, node, "it is used in a way that is not followed")

    # --- names, attributes, parameters --------------------------------------------------------

    def _bind(self, view: _View, target: ast.AST, partial: ast.Call | None) -> None:
        match target:
            case ast.Name(id=word):
                home = view.home(target, word) or view.tree
                if isinstance(home, ast.ClassDef):
                    self._attribute_everywhere(word, partial)
                self._name(view, word, home, partial)
            case ast.Attribute(attr=word):
                self._attribute_everywhere(word, partial)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self._bind(view, element, partial)
            case ast.Starred(value=value):
                self._bind(view, value, partial)
            case ast.Subscript(value=value):
                self._grown(view, value, partial)
            case _:
                raise self._lost(view, target, "it is stored where it is not followed")

    def _name(self, view: _View, word: str, home: ast.AST, partial: ast.Call | None) -> None:
        key = word, id(home), id(partial)
        if key in self._named:
            return
        self._named.add(key)
        for name in view.loads(word, home):
            self._add(view, name, partial)
        if home is view.tree:
            found = self.follower.elsewhere(view, word)
            if found is None:
                raise _LostError(f"other files may take `{word}`")
            for other, node in found:
                self._add(other, node, partial)

    def _attribute_everywhere(self, word: str, partial: ast.Call | None) -> None:
        key = word, 0, id(partial)
        if key in self._named:
            return
        self._named.add(key)
        views = self.follower.mentioning(word)
        if views is None:
            raise _LostError(f"too many files may read an attribute `{word}`")
        for view in views:
            if self.follower.is_hidden_in(view):
                raise _LostError(f"an attribute `{word}` may be read by a computed name")
            for node in view.attributes(word):
                self._add(view, node, partial)

    def _grown(self, view: _View, container: ast.expr, partial: ast.Call | None) -> None:
        """Follow a container that the class is put into."""
        match container:
            case ast.Name(id=word):
                home = view.home(container, word)
                self._name(view, word, home or view.tree, partial)
            case ast.Attribute(attr=word):
                self._attribute_everywhere(word, partial)
            case ast.Subscript(value=value):
                self._grown(view, value, partial)
            case _:
                raise self._lost(view, container, "it is put into what is not followed")

    def _default(
        self, view: _View, node: ast.AST, arguments: ast.arguments, partial: ast.Call | None
    ) -> None:
        function = view.parent(arguments)
        for word, defaults in _defaults(arguments).items():
            if node in defaults:
                self._name(view, word, function, partial)

    def _attribute(
        self, view: _View, node: ast.Attribute, attr: str, partial: ast.Call | None
    ) -> None:
        around = view.parent(node)
        is_called = isinstance(around, ast.Call) and around.func is node
        if attr in _READS and is_called:
            self._add(view, around, partial)
        elif attr == "func" and partial is not None:
            self._add(view, node, None)
        elif (attr in _GROWS and is_called) or attr in ("args", "keywords", "__doc__"):
            return
        elif attr in ("__name__", "__qualname__", "__module__", "__mro__", "__class__"):
            self.handed.needs_class = node.lineno
        else:
            raise self._lost(view, node, f"its attribute `{attr}` is read")

    # --- calls --------------------------------------------------------------------------------

    def _reach(self, view: _View, call: ast.Call, partial: ast.Call | None) -> None:
        home = self._homes[partial] if partial is not None else None
        self.handed.calls.append(Reached(view.file, call, partial, home))

    def _argument(
        self, view: _View, node: ast.AST, parent: ast.AST, partial: ast.Call | None
    ) -> None:
        keyword = parent if isinstance(parent, ast.keyword) else None
        call = view.parent(keyword) if keyword is not None else parent
        if isinstance(call, ast.ClassDef):
            raise self._lost(view, node, "it is an argument of a class")
        assert isinstance(call, ast.Call)
        if isinstance(node, ast.Starred):
            raise self._lost(view, node, "it is among `*` arguments")
        word = _last_word(call.func)
        if keyword is not None and keyword.arg is None:
            self._unpacked(view, call, node, partial)
        elif word == "partial" and keyword is None and call.args[0] is node:
            if partial is not None:
                raise self._lost(view, call, "it goes through two partials")
            self._homes[call] = view.file
            self._add(view, call, call)
        elif word == "isinstance" and keyword is None:
            self._is_instance(call, node)
        elif word in _AS_CLASS:
            self.handed.needs_class = call.lineno
        elif word == "new_class" or (word == "type" and len(call.args) > 1):
            self.handed.needs_class = call.lineno
            raise self._lost(view, call, "a class is made of it")
        elif isinstance(call.func, ast.Name) and word in _LOOKS:
            return
        elif word in _COPIES and keyword is None:
            self._add(view, call, partial)
        elif word in _GROWS and isinstance(call.func, ast.Attribute) and keyword is None:
            self._grown(view, call.func.value, partial)
        elif word in ("get", "pop", "setdefault") and keyword is None:  # a default
            self._add(view, call, partial)
        else:
            self._given(view, call, keyword.arg if keyword else call.args.index(node), partial)  # type: ignore[arg-type]

    def _is_instance(self, call: ast.Call, node: ast.AST) -> None:
        if call.args[1:] == [node]:
            self._tested(node)
        else:
            self.handed.needs_class = call.lineno  # `isinstance(norm, type)`

    def _tested(self, node: ast.AST) -> None:
        self.handed.is_tested = True

    def _given(
        self, view: _View, call: ast.Call, place: int | str | None, partial: ast.Call | None
    ) -> None:
        """Follow an argument of a call into the functions that it may mean."""
        assert place is not None
        functions = self._functions(view, call)
        if functions is None:
            if isinstance(place, str) and not self.follower.is_foreign(view, call.func):
                self._by_name(place, partial)
                return
            words = f"it is given to `{ast.unparse(call.func)[:60]}`"
            raise self._lost(view, call, words)
        if isinstance(place, int) and any(
            isinstance(one, ast.Starred) for one in call.args[:place]
        ):
            raise self._lost(view, call, "it stands behind `*` arguments")
        for other, function, is_bound in functions:
            self._enter(other, function, place, is_bound, partial)

    def _enter(
        self,
        view: _View,
        function: _Function,
        place: int | str,
        is_bound: bool,
        partial: ast.Call | None,
    ) -> None:
        arguments = function.args
        if isinstance(place, int):
            positional = [*arguments.posonlyargs, *arguments.args][is_bound:]
            if place < len(positional):
                self._name(view, positional[place].arg, function, partial)
            elif arguments.vararg is not None:
                raise self._lost(view, function, "it is among `*` arguments")
            return
        if place in {one.arg for one in (*arguments.args, *arguments.kwonlyargs)}:
            self._name(view, place, function, partial)
        elif arguments.kwarg is not None:
            self._in_keywords(view, function, arguments.kwarg.arg, place, partial)

    def _functions(self, view: _View, call: ast.Call) -> list[tuple[_View, _Function, bool]] | None:
        """Return the functions that a call may mean, and whether they have a `self`; None: lost."""
        match call.func:
            case ast.Attribute(attr="__init__", value=ast.Call(func=ast.Name(id="super"))):
                own = view.class_around(call)
                return self._inits_above(view, own) if own is not None else None
            case ast.Attribute(attr=word, value=ast.Name(id="self" | "cls")):
                return self._methods(view, call, word)
            case ast.Name(id="cls"):
                own = view.class_around(call)
                return self._inits(view, own) if own is not None else None
        found = self.follower.definitions(view, call.func)
        found = found or self.follower.behind(view, call.func) or []
        functions = list[tuple[_View, _Function, bool]]()
        for other, node in found:
            if isinstance(node, ast.ClassDef):
                inits = self._inits(other, node)
                if inits is None:
                    return None
                functions += inits
            elif isinstance(node, FUNCTIONS) and isinstance(other.parent(node), ast.ClassDef):
                functions.append((other, node, not _is_static(node)))
            elif isinstance(node, _Function):
                functions.append((other, node, False))
        return functions or None

    def _methods(
        self, view: _View, call: ast.Call, word: str
    ) -> list[tuple[_View, _Function, bool]] | None:
        """Return the methods of a name, in whatever class: a subclass may have its own."""
        views = self.follower.mentioning(word)
        if views is None:
            return None
        found = list[tuple[_View, _Function, bool]]()
        for one in views:
            for node in ast.walk(one.tree):
                is_it = isinstance(node, FUNCTIONS) and node.name == word
                if is_it and isinstance(one.parent(node), ast.ClassDef):
                    assert isinstance(node, FUNCTIONS)
                    found.append((one, node, not _is_static(node)))
        stored = any(
            isinstance(node, ast.Attribute)
            and node.attr == word
            and isinstance(node.ctx, ast.Store)
            for node in view.facts.parents
        )
        return None if stored else found or None

    def _inits(self, view: _View, node: ast.ClassDef) -> list[tuple[_View, _Function, bool]] | None:
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                return [(view, statement, True)]
        return self._inits_above(view, node)

    def _inits_above(
        self, view: _View, node: ast.ClassDef
    ) -> list[tuple[_View, _Function, bool]] | None:
        if len(node.bases) != 1:
            return None
        for other, above in self.follower.definitions(view, node.bases[0]):
            if isinstance(above, ast.ClassDef) and above is not node:
                return self._inits(other, above)
        return None

    def _by_name(self, word: str, partial: ast.Call | None) -> None:
        """Follow a keyword into every function of the project that has such a parameter."""
        key = f"={word}", 0, id(partial)
        if key in self._named:
            return
        self._named.add(key)
        views = self.follower.mentioning(word)
        if views is None:
            raise _LostError(f"too many files may take an argument `{word}`")
        is_found = False
        for view in views:
            if any(text == word for text, _ in view.facts.strings):
                raise _LostError(f"an argument `{word}` may be read by its name as a string")
            for node in ast.walk(view.tree):
                if isinstance(node, _Function) and word in {
                    one.arg for one in (*node.args.args, *node.args.kwonlyargs)
                }:
                    is_found = True
                    self._name(view, word, node, partial)
        if not is_found:
            raise _LostError(f"no function with a parameter `{word}` is found")

    def _in_keywords(
        self, view: _View, function: ast.AST, name: str, word: str, partial: ast.Call | None
    ) -> None:
        """Follow what lies under a key of a function's `**name`."""
        key = f"**{name}.{word}", id(function), id(partial)
        if key in self._named:
            return
        self._named.add(key)
        for load in view.loads(name, function):
            parent = view.parent(load)
            match parent:
                case ast.keyword(arg=None):
                    call = view.parent(parent)
                    assert isinstance(call, ast.Call)
                    self._given(view, call, word, partial)
                case ast.Subscript(value=value, slice=ast.Constant(value=found)) if value is load:
                    if found == word and isinstance(parent.ctx, ast.Load):
                        self._add(view, parent, partial)
                case ast.Attribute(attr="get" | "pop" | "setdefault"):
                    call = view.parent(parent)
                    match call:
                        case ast.Call(args=[ast.Constant(value=found), *_]):
                            if found == word:
                                self._add(view, call, partial)
                        case _:
                            raise self._lost(view, load, f"`{name}` is read by a computed name")
                case ast.Compare(ops=[ast.In() | ast.NotIn()]):
                    continue
                case ast.Call(args=args) if load in args:
                    self._given(view, parent, args.index(load), partial)
                case _:
                    raise self._lost(view, load, f"it is among the `**{name}`")

    def _unpacked(
        self, view: _View, call: ast.Call, node: ast.AST, partial: ast.Call | None
    ) -> None:
        """Follow a class out of a dict that a call unpacks: `f(**settings)`."""
        raise self._lost(view, call, "it is among unpacked arguments")

    # --- results and comparisons --------------------------------------------------------------

    def _returned(self, view: _View, node: ast.AST, partial: ast.Call | None) -> None:
        function = view.function_around(node)
        if not isinstance(function, FUNCTIONS):
            raise self._lost(view, node, "it is returned from an expression")
        outer = view.parent(function)
        if isinstance(outer, ast.ClassDef) or function.decorator_list:
            raise self._lost(view, function, f"`{function.name}` returns it")
        home = view.home(function, function.name)
        key = f"{function.name}()", id(function), id(partial)
        if key in self._named:
            return
        self._named.add(key)
        uses: list[tuple[_View, ast.AST]] = [
            (view, one) for one in view.loads(function.name, home or view.tree)
        ]
        if home is view.tree:
            found = self.follower.elsewhere(view, function.name)
            if found is None:
                raise _LostError(f"other files may take `{function.name}`")
            uses += found
        for other, use in uses:
            around = other.parent(use)
            if not isinstance(around, ast.Call) or around.func is not use:
                raise self._lost(other, use, f"`{function.name}` is handed on")
            self._add(other, around, partial)

    def _compare(self, view: _View, node: ast.AST, compare: ast.Compare) -> None:
        sides = [compare.left, *compare.comparators]
        others = [one for one in sides if one is not node]
        if all(isinstance(one, ast.Constant) for one in others):
            return
        if all(_is_class_of(one) for one in others):
            self._tested(node)
            return
        self.handed.is_compared = True


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return found + [one for one in (arguments.vararg, arguments.kwarg) if one is not None]


def _stores(target: ast.AST, word: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == word for one in ast.walk(target))


def _last_word(node: ast.AST) -> str:
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word):
            return word
    return ""


def _is_static(node: _Definition) -> bool:
    return any(_last_word(one) == "staticmethod" for one in node.decorator_list)


def _is_class_of(node: ast.expr) -> bool:
    """Say whether an expression is the class of an object: `type(m)`, `m.__class__`."""
    match node:
        case ast.Call(func=ast.Name(id="type"), args=[_]) | ast.Attribute(attr="__class__"):
            return True
    return False


def _has_place(node: ast.AST) -> bool:
    return hasattr(node, "lineno")


def _place(node: ast.AST) -> tuple[object, ...]:
    return (
        type(node),
        getattr(node, "lineno", None),
        getattr(node, "col_offset", None),
        getattr(node, "end_lineno", None),
        getattr(node, "end_col_offset", None),
    )
