"""Finds which of torch's names a program sets: `nn.Conv2d = Shim`, `setattr(nn, "Conv2d", Shim)`.

Once a name of torch's module holds something else, every later use of it means that. In which order
a program's files run is not known, so such a name is in doubt in every file that could be in one
program with the file that sets it.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

from mapper import limits
from mapper.analysis import project
from mapper.analysis.project_files import (
    Entry,
    entries,
    import_words,
    parse,
    per_run,
    plain_text,
    root_of,
)
from mapper.analysis.project_uses import Chain, Facts, dotted, facts_of
from mapper.analysis.torch_names import is_torch
from mapper.model.record import record

_SETTERS = ("setattr", "delattr", "__setattr__", "__delattr__", "object", "patch")
_CHANGES = ("update", "setdefault", "pop", "clear", "popitem", "__setitem__", "__delitem__")
_MARKS = re.compile(rb"(?:set|del)attr|__dict__|vars\(|patch")
_ANY_KEY = re.compile(rb"(?:set|del)attr(?:__)?\s*\(\s*(\w+)[\w.\s]*,\s*(?![\"'])")
_UPDATED = re.compile(rb"(?:__|vars\([\w.\s]*\))\.update")
_METHOD_SET = re.compile(
    r"\b(?:Tensor|Module)(?:\s*\.\s*\w+\s*=(?!=)|\b.*\.(?:update|__setitem__)\b)"
    r"|(?:set|del)attr\s*\(\s*[\w.]*(?:Tensor|Module)\b"
)
_HOPS = 4
_LAST_WORD = re.compile(rb"\w++(?=(?:\.\w++)?+(?![\s\\]*[.(]))")
"""The last two words of a chain of names, of which one is set, and no word that is called."""
_COMMENT = re.compile(rb"#[^\r\n]*")
_BROUGHT = re.compile(rb"\bimport\b[\w \t.,*]*")
"""The names of an import on one line: `import torch.nn as nn` sets nothing of torch's."""
_STORED = re.compile(
    rb"\w+(?=[\s\\)\]]*in\b)|(?:del|(?<!\w)as)[\s\\(][\w\s.,()\\]*"
    rb"|[\w.][\w\s.,\\()\[\]*]*+(?:=(?!=)|:[^=\r\n]*=)"
)
"""What stands before `=` or `in`, and after `del` or `as`: the words that `_patterns` may find."""


@record(frozen=True, slots=True)
class Setting:
    """A place that sets torch's `api`; one that ends in `.*` may set any name of its module."""

    api: str
    file: str
    line: int

    def sets(self, api: str, canonical: Callable[[str], str | None]) -> bool:
        """Say whether it may set an API or a part of it, under whatever name torch has for that."""
        parts = self.api.split(".")
        if parts[-1] == "*":
            parts[-1] = api.rpartition(".")[2]
        names = (".".join(parts[:end]) for end in range(len(parts), 1, -1))
        return any(name == api or canonical(name) == api for name in names)


def settings_here(
    tree: ast.Module, text: str, words: str, path: Path | None
) -> tuple[Setting, ...]:
    """Return the places of a module that set torch's names; `words` finds the wanted ones."""
    if not _may_set(text.encode("utf-8", "replace"), words):
        return ()
    return tuple(_settings(tree, path))


@lru_cache(limits.PARSED_FILES)
def settings_of_methods(tree: ast.Module, text: str, path: Path | None) -> tuple[Setting, ...]:
    """Return the places of a file that set methods of torch's Tensor and Module."""
    if not _METHOD_SET.search(text):
        return ()
    owners = ("torch.Tensor.", "torch.nn.Module.")
    return tuple(one for one in _settings(tree, path) if one.api.startswith(owners))


def settings_elsewhere(
    path: Path, words: str, names: frozenset[str] | None = None
) -> tuple[Setting, ...]:
    """Return the places that set torch's names in other files of a file's program.

    `names` are the wanted ones where `words` finds whole names and no others.
    """
    root = root_of(path.parent.resolve())
    found = _by_file(root, words, names)
    if not found:
        return ()
    together, own = programs(root), path.resolve()
    return tuple(
        setting
        for file, settings in found.items()
        if file != own and together.get(file) == together.get(own, together.get(file))
        for setting in settings
    )


@per_run
def _by_file(
    root: Path, words: str, names: frozenset[str] | None
) -> dict[Path, tuple[Setting, ...]]:
    found = {}
    for entry in entries(root) or ():
        near = _near_stores(entry.path) if names is not None else None
        if names is not None and near is not None and near.isdisjoint(names):
            continue
        if names is None:
            text = plain_text(entry.path)
            if text is None or not _may_set(text, words):
                continue
        if settings := _settings_of(entry.path):
            found[entry.path] = settings
    return found


@per_run
def _settings_of(path: Path) -> tuple[Setting, ...]:
    """Return all places of a file that set names of torch's."""
    parsed = parse(path)
    return tuple(_settings(parsed.tree, path)) if parsed else ()


@per_run
def _near_stores(path: Path) -> frozenset[str] | None:
    """Return the words by which `_may_set` could find that a file sets names; None for any.

    They are looked for once, where every file of a project has wanted names of its own.
    """
    text = plain_text(path)
    if text is None or _MARKS.search(text):
        return None
    text = _BROUGHT.sub(b"", text)
    bare = _COMMENT.sub(b"", text)
    found = set(_LAST_WORD.findall(b" ".join((*_STORED.findall(text), *_STORED.findall(bare)))))
    return frozenset(word.decode("utf-8", "replace") for word in found)


# --- which files could be in one program --------------------------------------------------------


@per_run
def programs(root: Path) -> dict[Path, Path]:
    """Return a representative for each file, the same one for all files that imports connect."""
    files = entries(root) or ()
    if any(entry.by_text for entry in files):  # it may import any of them
        return dict.fromkeys([entry.path for entry in files], files[0].path)
    leader = list(range(len(files)))

    def top(place: int) -> int:
        while leader[place] != place:
            leader[place] = place = leader[leader[place]]
        return place

    by_name = defaultdict[str, list[int]](list)
    for place, entry in enumerate(files):
        for name in _import_names(entry, root):
            by_name[name].append(place)
    for place, entry in enumerate(files):
        for name in entry.words & by_name.keys():
            for other in by_name[name]:
                leader[top(other)] = top(place)
            del by_name[name][1:]  # they are one program from now on
    return {entry.path: files[top(place)].path for place, entry in enumerate(files)}


def _import_names(entry: Entry, root: Path) -> Iterable[str]:
    """Return the words by which an import may reach a file."""
    parts = entry.path.relative_to(root.parent).with_suffix("").parts
    return parts[-2:] if parts[-1] == "__init__" else parts[-1:]


# --- what one file sets -------------------------------------------------------------------------


@cache
def _patterns(words: str) -> tuple[re.Pattern[bytes], ...]:
    wanted = words.encode()
    return (
        re.compile(
            rb"(?:%s)\w*+(?:\.\w++)?+[\s\\]*+(?:[,)\]](?:[\w\s.,\\()\[\]*]++|#[^\r\n]*+)*+)?+"
            rb"(?:=(?!=)|:[^=\r\n]*+=)" % wanted
        ),
        re.compile(rb"(?:%s)\w*+[\s\\)\]]*+in\b" % wanted),
        re.compile(rb"del[\s(\\][\w\s.,()\\]*(?:%s)" % wanted),
        re.compile(rb"as(?<=\Was)[\s(\\][\w\s.()\\]*(?:%s)" % wanted),
    )


def _may_set(text: bytes, words: str) -> bool:
    """Say whether a file may set a name of torch's; errs towards yes."""
    rest = _BROUGHT.sub(b"", text)
    if any(pattern.search(rest) for pattern in _patterns(words)):
        return True
    if not _MARKS.search(text):
        return False
    is_named = re.search(rb"(?:%s)\w*[\"']" % words.encode(), text)
    if is_named is not None or _UPDATED.search(text):
        return True
    return any(_may_be_module(text, name) for name in set(_ANY_KEY.findall(text)))


def _may_be_module(text: bytes, name: bytes) -> bool:
    """Say whether a name is imported, or is another name of something: `lib = nn`."""
    if name.decode("utf-8", "replace") in import_words(text):
        return True
    end = rb"[ \t]*(?:[\r\n;#=)]|\Z)"
    alias = rb"\b%s[ \t]*(?::[^=\r\n]*)?:?=[ \t]*[\w.]+%s" % (re.escape(name), end)
    return re.search(alias, text) is not None


def _settings(tree: ast.Module, path: Path | None) -> Iterator[Setting]:
    facts, file = facts_of(tree), path.name if path else "this file"
    for root, chains in facts.chains.items():
        if next(_targets(facts, root, _HOPS), None) is None:
            continue
        for chain in chains:
            for name in _set_through(facts, chain):
                module = _torch(facts, chain, name, path)
                if module is not None:
                    yield Setting(module, file, chain.levels[0].lineno)
    patched = _patched(facts) if any(t.startswith("torch.") for t, _ in facts.strings) else ()
    yield from (Setting(text, file, line) for text, line in patched)


def _set_through(facts: Facts, chain: Chain) -> Iterator[tuple[str, ...]]:
    """Yield the attributes of a chain's root that are set, `*` for any."""
    attributes, top = chain.attributes, chain.levels[-1]
    parent = facts.parents[top]
    if isinstance(top, ast.Attribute) and not isinstance(top.ctx, ast.Load):
        yield attributes
        return
    if not chain.is_loaded:
        return
    if attributes and attributes[-1] in _CHANGES and "__dict__" in attributes:
        yield (*attributes[: attributes.index("__dict__")], "*")
    elif attributes and attributes[-1] == "__dict__":
        yield from _set_in_namespace(facts, top, attributes[:-1])
    match parent:
        case ast.Call(args=[first, key, *_]) if first is top and _called(parent) in _SETTERS:
            yield (*attributes, str(key.value) if isinstance(key, ast.Constant) else "*")
        case ast.Call(func=ast.Name(id="vars"), args=[first]) if first is top:
            yield from _set_in_namespace(facts, parent, attributes)


def _set_in_namespace(
    facts: Facts, node: ast.AST, attributes: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    parent = facts.parents[node]
    match parent:
        case ast.Subscript(slice=key, ctx=ast.Store() | ast.Del()):
            yield (*attributes, str(key.value) if isinstance(key, ast.Constant) else "*")
        case ast.Attribute(attr=attr) if attr in _CHANGES:
            yield (*attributes, "*")
        case ast.Call() | ast.Assign() | ast.NamedExpr():
            yield (*attributes, "*")


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _patched(facts: Facts) -> Iterator[tuple[str, int]]:
    """Yield the names that `mock.patch("torch.nn.Conv2d")` or `setattr` are given as strings."""
    for node in facts.parents:
        match node:
            case ast.Call(args=[ast.Constant(value=str(text)), *_]) if _called(node) in _SETTERS:
                if text.startswith("torch."):
                    yield text, node.lineno


def _torch(facts: Facts, chain: Chain, set_: tuple[str, ...], path: Path | None) -> str | None:
    """Return the qualified name that a chain sets, where its root is torch's."""
    root = chain.levels[0]
    assert isinstance(root, ast.Name)
    for target in _targets(facts, root.id, _HOPS):
        *module, name = [target, *set_]
        whole = ".".join(module)
        if not is_torch(whole):
            whole = (path and project.handed_on(whole, path)) or ""
        if whole:
            return f"{whole}.{name}"
    return None


def _targets(facts: Facts, name: str, hops: int) -> Iterator[str]:
    """Yield what a local name may be imported as, anywhere in the file, through other names."""
    for one in facts.imports:
        if one.local == name and one.name is not None:
            yield dotted(one.module, one.name)
        elif one.local == name:
            yield one.module if one.is_renamed else name
    for root, behind in _assigned(facts).get(name, ()) if hops else ():
        yield from (".".join([t, *behind]) for t in _targets(facts, root, hops - 1))


@lru_cache(limits.PARSED_FILES)
def _assigned(facts: Facts) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Return for each name the chains that are assigned to it: their root, and what is behind."""
    found = defaultdict[str, list[tuple[str, tuple[str, ...]]]](list)
    for root, chains in facts.chains.items():
        for chain in chains:
            for alias in facts.aliases(chain):
                if alias != root and len(found[alias]) < limits.PROJECT_CALLERS:
                    found[alias].append((root, chain.attributes))
    return found
