"""Lets expressions that cannot be migrated raise where they are reached, as `--partial` asks.

So their classes migrate, and nothing of torch's is left in them: its expression would not always
raise there (`torch.is_tensor(x)` is just False).
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterator, Mapping, Sequence

from mapper.analysis.module import ParsedModule
from mapper.analysis.scopes import FUNCTIONS
from mapper.analysis.walk import children, walk
from mapper.model.plan import ManualError
from mapper.model.results import Site, Status
from mapper.planning.units import Unit, Units
from mapper.rulebook.helpers import HELPERS
from mapper.running.drafts import Draft, Text
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.whole_imports import WholeImports

_HELPER = "not_migrated"
_SHOWN = 60
"""Characters of an expression that its call shows."""
_WHOLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)
"""Statements that become a call as a whole, where what they assign to is torch's."""


class Raising:
    """The expressions of one module that may raise instead of staying torch's."""

    def __init__(self, module: ParsedModule, units: Units) -> None:
        self._module = module
        self._units = units
        self._above: Mapping[ast.AST, ast.AST] = {
            child: node for node in walk(module.tree) for child in children(node)
        }
        self._on_import = set(_run_on_import(module.tree, units))
        text = module.text
        is_double = text.count('"') > text.count("'")
        self._quotes = ('"', "'") if is_double else ("'", '"')

    def why_not(self, draft: Draft) -> str:
        """Return why an expression that stays torch's cannot raise; nothing where it can."""
        if draft.site.status not in (Status.MANUAL, Status.UNCOVERED):
            return f"it is {draft.site.status}"
        try:
            self._place(draft)
        except ManualError as error:
            return str(error)
        return ""

    def put(self, drafts: Sequence[Draft], staying: Collection[Unit]) -> None:
        """Let what is not written raise, except in the units that stay torch's.

        What stands inside goes with it, and says so.
        """
        found = []
        for draft in drafts:
            unit = self._units.at(draft.node.lineno)
            if unit is not None and unit not in staying:
                node = draft.node if draft.is_written else self._place(draft)
                found.append((self._module.start(node), -self._module.end(node), draft, node))
        around, until = None, -1
        for start, end, draft, node in sorted(found, key=lambda one: one[:2]):
            if around is not None and start < until:
                words = f"it stands inside `{_shown(around.before)}`, which raises"
                own = "" if draft.is_written else f"{draft.site.message}; "
                draft.go_with(around.status, own + words)
            elif not draft.is_written:
                around, until = draft.site, -end
                words = f"{around.message}; so it raises where it is reached"
                draft.let_raise(node, self._call(around, node), words)

    def _call(self, site: Site, place: ast.expr | ast.stmt) -> Text:
        """Return what writes the call that raises."""
        is_book = self._module.path is not None and self._module.path.suffix == ".ipynb"
        line = "" if is_book else f"line {site.span.line}: "
        given = [
            self._quoted(line + _shown(self._module.source(place))),
            self._quoted(site.message),
        ]

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            return f"{final.define(HELPERS[_HELPER])}({', '.join(given)})"

        return text

    def _quoted(self, text: str) -> str:
        """Return a text as the file quotes: with the other quotes where they stand in it."""
        first, second = self._quotes
        quote = second if first in text and second not in text else first
        text = " ".join(text.split()).replace("\\", "\\\\").replace(quote, f"\\{quote}")
        return quote + text.encode("ascii", "backslashreplace").decode() + quote

    def _place(self, draft: Draft) -> ast.expr | ast.stmt:
        """Return what the call takes the place of.

        Raises:
            ManualError: no call may stand there, or it would do something else than to raise.
        """
        unit = self._units.at(draft.node.lineno)
        if unit in self._on_import:
            raise ManualError("the module calls it on import")
        node: ast.AST = draft.node
        is_stored = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
        place, is_later = draft.node, False
        if hasattr(place, "body"):
            raise ManualError("it is a block")
        while (above := self._above.get(node)) is not None:
            if isinstance(above, ast.JoinedStr):
                place = above
            elif isinstance(above, ast.pattern):
                raise ManualError("it is a pattern")
            elif isinstance(above, ast.stmt) and is_stored:
                if not isinstance(above, _WHOLE):
                    raise ManualError("it is assigned to by a loop or block")
                place, is_stored = above, False
            if not is_later and _is_caught(node, above):
                raise ManualError("what is around it catches errors")
            is_later = is_later or _runs_later(node, above)
            node = above
        if not is_later:
            raise ManualError("it is evaluated on import")
        if _has_comment(self._module.source(place)):
            raise ManualError("a comment stands in it")
        return place


def _runs_later(node: ast.AST, above: ast.AST) -> bool:
    """Say whether a node is evaluated when the function above it is called, not where it stands."""
    if isinstance(above, ast.Lambda):
        return node is above.body
    return isinstance(above, FUNCTIONS) and node in above.body


def _is_caught(node: ast.AST, above: ast.AST) -> bool:
    """Say whether what raises in a block may go no further than the block."""
    match above:
        case ast.Try(body=body, handlers=handlers) | ast.TryStar(body=body, handlers=handlers):
            return bool(handlers) and node in body
        case ast.With(items=items, body=body):
            return node in body and any("suppress" in ast.unparse(one) for one in items)
    return False


def _has_comment(text: str) -> bool:
    lines = io.StringIO(f"({text}\n)").readline
    return "#" in text and any(
        one.type == tokenize.COMMENT for one in tokenize.generate_tokens(lines)
    )


def _run_on_import(tree: ast.Module, units: Units) -> Iterator[Unit]:
    """Yield the functions and classes that importing the module calls, and what they use."""
    names = set(_called_on_import(tree))
    found = {unit: None for unit in units.all if unit.binds & names}
    waiting = list(found)
    while waiting:
        unit = waiting.pop()
        yield unit
        new = [one for one in unit.uses if one not in found]
        found.update(dict.fromkeys(new))
        waiting += new


def _called_on_import(tree: ast.Module) -> Iterator[str]:
    stack: list[ast.AST] = [*tree.body]
    while stack:
        node = stack.pop()
        match node:
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__")), orelse=orelse):
                stack += orelse
                continue
            case ast.Call(func=function) if (root := _root(function)) is not None:
                yield root
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield from (one.id for one in node.decorator_list if isinstance(one, ast.Name))
        stack += [one for one in children(node) if not _runs_later(one, node)]


def _root(function: ast.expr) -> str | None:
    """Return the name that a called expression starts from: `Net` of `Net.small`."""
    while isinstance(function, ast.Attribute):
        function = function.value
    return function.id if isinstance(function, ast.Name) else None


def _shown(text: str) -> str:
    """Return an expression on one line, cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
