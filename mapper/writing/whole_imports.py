"""The imports of a file in which no torch is left: `from mindspore import nn, ops` and the like.

Every import of torch is removed. Imports of what the rewritten text names take the place of the
first of them, in the form that MindSpore's own code uses.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from mapper.analysis.module import ParsedModule
from mapper.analysis.project import bound_in, handed_on_by_star
from mapper.analysis.project_files import find
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import Binding
from mapper.analysis.torch_names import is_torch
from mapper.files.source import Edit
from mapper.rulebook.helpers import HELPERS, Helper

_MODULES = {"mindspore.nn": "nn", "mindspore.ops": "ops", "mindspore.mint": "mint"}
"""The modules that are imported from the package, and the local names they have."""

_INITIALIZERS = "mindspore.common.initializer"


class MixedImportsError(Exception):
    """The imports of torch cannot be exchanged as a whole; the message says where."""


@dataclass(slots=True)
class WholeImports:
    """How MindSpore is named in one file that becomes whole, and the edits of its imports.

    Raises:
        MixedImportsError: an import of torch cannot be taken out.
    """

    module: ParsedModule
    _used: dict[str, str] = field(default_factory=dict)
    """Qualified name of what is imported -> its local name."""
    _helpers: dict[str, str] = field(default_factory=dict)
    _defined: dict[str, Helper] = field(default_factory=lambda: dict(HELPERS))
    _torch: list[Binding] = field(default_factory=list)
    _first: int | None = None
    """The first line at which MindSpore is named."""

    def __post_init__(self) -> None:
        names = self.module.names
        for _, _, binding in names.imports():
            is_einops = (binding.target or "").partition(".")[0] == "einops"
            if is_einops or (names.brings_torch(binding) and is_torch(binding.target or "")):
                self._torch.append(binding)

    # --- names ---

    is_plain = False
    """Names are never spelled as they are without the file's own imports."""

    def spell(self, api: str, reference: Reference | None = None) -> str:
        """Return how a MindSpore name, or an inserted helper, is written in this file."""
        if reference is not None:
            line = getattr(reference.node, "lineno", 1)
            self._first = min(line, self._first or line)
        if api in HELPERS:
            return self._helper(api)
        for module in _MODULES:
            if api == module or api.startswith(module + "."):
                return self._local(module, _MODULES[module]) + api[len(module) :]
        if api.startswith((_INITIALIZERS + ".", "collections.", "contextlib.", "typing.")):
            return self._local(api, api.rpartition(".")[2])
        local = self._local("mindspore", "ms")
        return local + api.removeprefix("mindspore")

    def read(self, node: ast.expr) -> str | None:
        """Return what a name in rewritten text stands for: the inverse of `spell`."""
        text = ast.unparse(node)
        root, _, rest = text.partition(".")
        for helper, local in self._helpers.items():
            if text == local:
                return helper
        if not all(part.isidentifier() for part in text.split(".")):
            return None  # a method of a result: `ops.norm(x).clamp`
        for name, local in self._used.items():
            if local == root:
                return f"{name}.{rest}" if rest else name
        return None

    def _local(self, name: str, wanted: str) -> str:
        if name not in self._used:
            self._used[name] = self._present(name) or self._free(wanted)
        return self._used[name]

    def _present(self, name: str) -> str | None:
        """Return a name that the file has imported for it already."""
        names = self.module.names
        for local, bindings in names.scopes.module.bindings.items():
            if [binding.target for binding in bindings] == [name] and names.binders(local) == 1:
                return local
        return None

    def _free(self, wanted: str) -> str:
        """Return the wanted name, or one like `ms_nn` where the file has another use for it."""
        for name in (wanted, f"ms_{wanted}", *(f"ms_{wanted}{number}" for number in range(2, 100))):
            if not self._is_taken(name):
                return name
        raise MixedImportsError(f"no name for `{wanted}` is free in this file")

    def _is_taken(self, name: str) -> bool:
        if name in self._used.values():
            return True
        return any(
            binding not in self._torch
            for scope in self.module.names.scopes.all
            for binding in scope.bindings.get(name, ())
        ) or (self._is_bound_in_expression(name) or self._is_anothers(name))

    def _is_anothers(self, name: str) -> bool:
        """Say whether the file means something of another file by the name: `from lib import *`."""
        module = self.module
        stars = module.names.scopes.module.stars
        is_free = name not in module.names.scopes.module.bindings
        if not stars or not is_free or module.path is None:
            return False
        if not re.search(rf"\b{name}\b", module.text):
            return False
        files = [find(one, module.path) for one in stars]
        is_bound = any(bound_in(one, name) for one in files if one is not None)
        return is_bound and not any(handed_on_by_star(one, name, module.path) for one in stars)

    def _is_bound_in_expression(self, name: str) -> bool:
        """Say whether a lambda or a comprehension binds the name, which the scopes do not list."""
        if not re.search(rf"\b{name}\b", self.module.text):
            return False
        for node in ast.walk(self.module.tree):
            if isinstance(node, ast.arg) and node.arg == name:
                return True
            if (
                isinstance(node, ast.Name)
                and node.id == name
                and not isinstance(node.ctx, ast.Load)
            ):
                return True
        return False

    def define(self, helper: Helper) -> str:
        """Return the name of a function that the file gets inserted."""
        self._defined[helper.name] = helper
        return self._helper(helper.name)

    def _helper(self, api: str) -> str:
        if api not in self._helpers:
            for module in self._defined[api].modules:
                self.spell(module)
            self._helpers[api] = self._free(api)
        return self._helpers[api]

    # --- edits ---

    def edits(self) -> list[Edit]:
        """Return the edits that take torch's imports out and put MindSpore's in."""
        statements = list(dict.fromkeys(binding.statement for binding in self._torch))
        gone = {id(binding.alias) for binding in self._torch}
        lines = self._lines()
        edits, is_placed = [], not lines
        star = self._last_star()
        for statement in sorted(statements, key=lambda one: getattr(one, "lineno", 0)):
            assert isinstance(statement, ast.Import | ast.ImportFrom)
            kept = [alias for alias in statement.names if id(alias) not in gone]
            is_first = not is_placed and statement in self.module.tree.body
            is_first = is_first and (star is None or statement.lineno > star.lineno)
            is_first = is_first and statement.lineno <= (self._first or statement.lineno)
            new = lines if is_first else []
            is_placed = is_placed or is_first
            edits.append(self._exchange(statement, kept, new))
        if not is_placed:
            edits.append(self._at_top(lines) if star is None else self._behind(star, lines))
        edits.extend(self._helper_edits(edits))
        return edits

    def _last_star(self) -> ast.stmt | None:
        """Return the last `from … import *` of another file, which may bring torch's `nn`."""
        for one in reversed(self.module.tree.body):
            if isinstance(one, ast.ImportFrom) and one.names[0].name == "*":
                root = (one.module or "").partition(".")[0]
                if one.level or not (is_torch(root) or root in sys.stdlib_module_names):
                    return one
        return None

    def _behind(self, statement: ast.stmt, lines: Sequence[str]) -> Edit:
        at = self.module.line_end(self.module.end(statement))
        return Edit(at, at, "".join(self.module.newline + line for line in lines))

    def _lines(self) -> list[str]:
        """Return the import statements, those of whole modules first."""
        plain, members = [], dict[str, list[str]]()
        for name, local in self._used.items():
            if self._present(name) == local:
                continue
            parent, _, last = name.rpartition(".")
            if parent:
                members.setdefault(parent, []).append(
                    last if last == local else f"{last} as {local}"
                )
            else:
                plain.append(f"import {name} as {local}")
        froms = [
            f"from {parent} import {', '.join(sorted(members[parent]))}"
            for parent in sorted(members)
        ]
        return [*plain, *froms]

    def _exchange(
        self, statement: ast.Import | ast.ImportFrom, kept: Sequence[ast.alias], new: Sequence[str]
    ) -> Edit:
        """Take torch's names out of a statement, and put `new` statements in its place."""
        module = self.module
        start, end = module.start(statement), module.end(statement)
        indent = module.text[start - statement.col_offset : start]
        rest = module.text[end : module.line_end(end)]
        lines = [*new]
        if kept:
            lines.append(_reduced(statement, kept))
        if lines:
            is_alone = not indent.strip() and not rest.strip().startswith(";")
            joint = f"{module.newline}{indent}" if is_alone else "; "
            return Edit(start, end, joint.join(lines))
        if indent.strip() or rest.strip() or statement not in module.tree.body:
            return self._without(statement, start, end, rest)
        return self._removed_line(start, end)

    def _without(self, statement: ast.stmt, start: int, end: int, rest: str) -> Edit:
        """Remove a statement that shares its line or its block; `pass` where one must stand."""
        if rest.strip().startswith("#") and statement in self.module.tree.body:
            return self._removed_line(start, end)
        return Edit(start, end, "pass")

    def _removed_line(self, start: int, end: int) -> Edit:
        module = self.module
        stop = module.line_end(end)
        after = re.compile(r"\r\n|\r|\n").match(module.text, stop)
        return Edit(start, after.end() if after else stop, "")

    def _at_top(self, lines: Sequence[str]) -> Edit:
        """Insert behind the docstring and `from __future__` where no import of torch is on top."""
        module, newline = self.module, self.module.newline
        last = None
        for statement in module.tree.body:
            is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not (is_future or is_text or isinstance(statement, ast.Import | ast.ImportFrom)):
                break
            last = statement
        if last is None:
            return Edit(0, 0, "".join(line + newline for line in lines))
        return self._behind(last, lines)

    def _helper_edits(self, edits: Sequence[Edit]) -> list[Edit]:
        """Return the edit that inserts the helpers behind the imports that are left at the top."""
        fresh = [(api, local) for api, local in self._helpers.items()]
        if not fresh:
            return []
        module, newline = self.module, self.module.newline
        spelled = {m.rpartition(".")[2]: self._used.get(m, "") for m in _MODULES}
        spelled["ms"] = self._used.get("mindspore", "")
        sources = [
            self._defined[api].source.format(name=local, **spelled).rstrip("\n")
            for api, local in fresh
        ]
        block = "\n\n\n".join(sources).replace("\n", newline)
        anchor = self._last_import([edit for edit in edits if not edit.text])
        if anchor is None:
            at = 0
        else:
            at = module.line_end(module.end(anchor))
            behind = re.compile(r"\r\n|\r|\n").match(module.text, at)
            if behind is None:  # the file ends here, without a newline
                return [Edit(at, at, f"{newline * 3}{block}")]
            at = behind.end()
            gone = {edit.start: edit.end for edit in edits if not edit.text}
            while at in gone:  # behind imports that go, too, whose blank lines stay
                at = gone[at]
        blank = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n))*").match(module.text, at)
        found = len(re.findall(r"\r\n|\r|\n", blank.group())) if blank else 0
        missing = max(0, 2 - found) if module.text[at:].strip() else 0
        return [Edit(at, at, f"{newline * 2}{block}{newline * (1 + missing)}")]

    def _last_import(self, removed: Sequence[Edit]) -> ast.stmt | None:
        """Return the last statement of the block of imports at the top, or what stands before."""
        last = None
        for statement in self.module.tree.body:
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            is_import = isinstance(statement, ast.Import | ast.ImportFrom)
            if not (is_text or is_import or _holds_imports(statement)):
                break
            start = self.module.start(statement)
            if not any(edit.start <= start < edit.end for edit in removed):
                last = statement
        return last


def _holds_imports(statement: ast.stmt) -> bool:
    """Say whether a block does nothing but import: `try: … except ImportError: …`."""
    if not isinstance(statement, ast.Try | ast.If):
        return False
    bodies = [*statement.body, *statement.orelse]
    if isinstance(statement, ast.Try):
        bodies += [one for handler in statement.handlers for one in handler.body]
        bodies += statement.finalbody
    return any(isinstance(one, ast.Import | ast.ImportFrom) for one in bodies) and not any(
        isinstance(one, ast.FunctionDef | ast.ClassDef) for one in bodies
    )


def _reduced(statement: ast.Import | ast.ImportFrom, kept: Sequence[ast.alias]) -> str:
    names = ", ".join(ast.unparse(alias) for alias in kept)
    if isinstance(statement, ast.Import):
        return f"import {names}"
    return f"from {'.' * statement.level}{statement.module or ''} import {names}"
