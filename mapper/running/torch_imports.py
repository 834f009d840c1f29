"""The imports of torch as sites: which of them the rewrite removes, and why the others stay."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mapper.analysis.module import ParsedModule
from mapper.analysis.project import Taker, takers
from mapper.analysis.project_files import parse
from mapper.analysis.project_uses import facts_of
from mapper.analysis.torch_names import is_torch
from mapper.analysis.walk import walk
from mapper.files.source import Edit, splice
from mapper.files.suppressions import Suppressions
from mapper.model.options import Options
from mapper.model.results import Proof, Site, Span, Status
from mapper.rulebook.loader import Rulebook
from mapper.rulebook.mapping import counterpart
from mapper.running.drafts import Draft

RULE = "TM890"
"""The rule of every import of torch."""

_MODULES = {
    "torch": "mindspore",
    "torch.nn": "mindspore.nn",
    "torch.nn.functional": "mindspore.ops",
    "torch.nn.init": "mindspore.common.initializer",
    "torch.Tensor": "mindspore.Tensor",
}
_Key = tuple[str, str | None]
"""What is imported, and the name it is given."""


def import_sites(
    module: ParsedModule,
    rulebook: Rulebook,
    off: Suppressions | None,
    drafts: Sequence[Draft],
    edits: Sequence[Edit],
    others: Mapping[str, str],
) -> list[Site]:
    """Return a site for every name that an import statement of the file brings from torch.

    `others`: who takes such a name from here (`imports_of_others`).
    """
    found = list(_imports(module.tree))
    if not found:
        return []
    left = Counter(key for _, key in found)
    if edits:
        after = ast.parse(splice(module.text, edits))
        left = Counter(key for _, key in _imports(after))
    return [
        _site(module, rulebook, off, drafts, alias, key, left[key], others) for alias, key in found
    ]


def imports_of_others(module: ParsedModule, options: Options) -> dict[str, str]:
    """Return the names of torch's modules that files outside of the run take from this one.

    They have no other import of it: with `from layers import *`, a notebook's `nn.Dropout(0.1)`
    would become MindSpore's, which takes 0.1 for what is kept. The values are those files' names.
    """
    found: dict[str, str] = {}
    if options.named is None or module.path is None or not module.path.is_file():
        return found
    for scope, local, binding in module.names.imports():
        if scope is not module.names.scopes.module or not module.names.brings_torch(binding):
            continue
        for taker in takers(module.path, local) or ():
            is_named = options.names(str(taker.file.parent), str(taker.file))
            if not is_named and _relies(taker, local):
                found[local] = taker.file.name
    return found


def _relies(taker: Taker, name: str) -> bool:
    """Say whether a file has a name from the one that it takes it from, and from nowhere else.

    Handing the whole module on is not enough: nobody asks a module so for its `torch`.
    """
    if taker.uses.imported or taker.uses.reads:
        return True
    if not taker.uses.stars:
        return False
    parsed = parse(taker.file)
    return parsed is None or (
        name in facts_of(parsed.tree).chains
        and name not in facts_of(parsed.tree).defined
        and name not in {one.local for one in facts_of(parsed.tree).imports}
    )


def _imports(tree: ast.Module) -> Iterator[tuple[ast.alias, _Key]]:
    for node in walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if is_torch(alias.name):
                    yield alias, (alias.name, alias.asname)
        elif isinstance(node, ast.ImportFrom) and not node.level and is_torch(node.module or ""):
            for alias in node.names:
                yield alias, (f"{node.module}.{alias.name}", alias.asname)


def _site(
    module: ParsedModule,
    rulebook: Rulebook,
    off: Suppressions | None,
    drafts: Sequence[Draft],
    alias: ast.alias,
    key: _Key,
    left: int,
    others: Mapping[str, str],
) -> Site:
    api, start, end = key[0], module.start(alias), module.end(alias)
    rule = rulebook.by_api(api) if api not in _MODULES else None
    other = counterpart(api)
    target = rule.mindspore.api if rule else _MODULES.get(api, other.api if other else "")
    span = Span(*module.index.position(start), *module.index.position(end))
    site = Site(RULE, api, target or None, Status.MIGRATED, span, module.text[start:end])
    if off and (reason := off.reason(RULE, api, span)) is not None:
        return replace(site, status=Status.IGNORED, message=reason)
    if not left:
        said = "this import goes, and what the file needs of MindSpore is imported in its place"
        return replace(site, message=said, proof=Proof("rule"))
    return replace(site, status=Status.UNCOVERED, message=_why(api, key[1], drafts, others))


def _why(api: str, name: str | None, drafts: Sequence[Draft], others: Mapping[str, str]) -> str:
    """Say what the import stays for."""
    local = name or (api.rpartition(".")[2] if "." in api else api)
    if local in others:
        return f"this import stays: {others[local]} takes `{local}` from here: name that file, too"
    roots = {local, api.partition(".")[0]}
    for draft in drafts:
        root = draft.reference.root
        if root is not None and root.id in roots and not draft.is_written:
            return f"this import stays: line {draft.node.lineno} needs it"
    if any(not draft.is_written for draft in drafts):
        return "this import stays: the file is not whole"
    return "this import stays: nothing that is migrated uses it"
