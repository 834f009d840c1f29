"""The imports of torch as sites: which of them the rewrite removes, and why the others stay."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mapper.analysis.module import ParsedModule
from mapper.analysis.torch_names import is_torch
from mapper.analysis.walk import walk
from mapper.files.source import Edit, splice
from mapper.files.suppressions import Suppressions
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
) -> list[Site]:
    """Return a site for every name that an import statement of the file brings from torch."""
    found = list(_imports(module.tree))
    if not found:
        return []
    left = Counter(key for _, key in found)
    if edits:
        after = ast.parse(splice(module.text, edits))
        left = Counter(key for _, key in _imports(after))
    return [_site(module, rulebook, off, drafts, alias, key, left[key]) for alias, key in found]


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
    return replace(site, status=Status.UNCOVERED, message=_why(api, key[1], drafts))


def _why(api: str, name: str | None, drafts: Sequence[Draft]) -> str:
    """Say what the import stays for."""
    local = name or (api.rpartition(".")[2] if "." in api else api)
    roots = {local, api.partition(".")[0]}
    for draft in drafts:
        root = draft.reference.root
        if root is not None and root.id in roots and not draft.is_written:
            return f"this import stays: line {draft.node.lineno} needs it"
    if any(not draft.is_written for draft in drafts):
        return "this import stays: the file is not whole"
    return "this import stays: nothing that is migrated uses it"
