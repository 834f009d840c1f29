"""Migrates one module: from its text to sites, edits and proofs."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mapper.analysis.definitions import definitions
from mapper.analysis.kinds_of_files import project
from mapper.analysis.module import ParsedModule
from mapper.analysis.project_files import parse
from mapper.analysis.resolve import Reference, read_names, wanted_lines
from mapper.files.source import Edit, LineIndex, splice
from mapper.files.suppressions import Suppressions
from mapper.limits import DRAFTED_CHARACTERS, MOST_TRIED
from mapper.model.conv_names import AFTER_FIRST_LETTER
from mapper.model.options import Options
from mapper.model.record import record
from mapper.model.results import Definition, Note, Site, Status
from mapper.planning.units import Hindrance, Unit
from mapper.rulebook.loader import Rulebook
from mapper.rulebook.schema import Kind
from mapper.rulebook.tables import RuleError
from mapper.running.adapters import Adapters
from mapper.running.calls import CallRewriter
from mapper.running.drafted import Drafted, Kept, readable
from mapper.running.drafts import LEFT, Draft, Drafter
from mapper.running.models import Models, outside
from mapper.running.switches import switches
from mapper.running.together import Outline, Together
from mapper.running.torch_imports import import_sites, imports_of_others
from mapper.running.values import Values
from mapper.writing import syntax_check
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.whole_imports import WholeImports


@record(frozen=True, slots=True)
class Migration:
    """What became of one module: its sites, and the edits that write it.

    `whole`: no torch is left in it and no site needs a person; None where only convolutions count.
    """

    sites: tuple[Site, ...] = ()
    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()
    unasked: tuple[str, ...] = ()
    """Names that other files may take from it, which could not be looked at."""
    whole: bool | None = None
    definitions: tuple[Definition, ...] = ()


class InternalError(Exception):
    """The rewritten text would not compile; nothing is written."""


class Migrator:
    """Rewrites modules; proofs are cached across the modules that one instance rewrites."""

    def __init__(self, rulebook: Rulebook, options: Options) -> None:
        self._rulebook = rulebook
        self._options = options
        self._calls = CallRewriter(rulebook, options)
        self._drafted = Kept(DRAFTED_CHARACTERS)
        self._together = Together(self._outline_of)
        self._modules: dict[Path, ParsedModule | None] = {}
        self._adapters = Adapters(self._calls, lambda text: self._parse(text, "\n", None))
        self._words = None if options.is_whole else AFTER_FIRST_LETTER

    def forget(self) -> None:
        """Forget what was found in other files, for a new run; proofs are kept."""
        self._drafted.clear()
        self._together.forget()
        self._modules.clear()

    def migrate(
        self,
        text: str,
        newline: str = "\n",
        off: Suppressions | None = None,
        path: Path | None = None,
    ) -> Migration:
        """Rewrite one module's text; what is switched off is reported and left.

        `path` is where the module stands in its project, which is looked at and never run.

        Raises:
            SyntaxError: the text is not Python.
            InternalError: the rewritten text would not compile.
        """
        if not self._options.is_whole:
            module = self._parse(text, newline, path)
            drafts = self._drafter(module, off).drafts(self._references(module))
            sites, edits = self._written(module, drafts, _nothing)
            return Migration(tuple(sites), tuple(edits), _notes(off), _unasked(module, edits))
        place = path.resolve() if path is not None and path.is_file() else None
        drafted = self._drafted.pop(place, text) or self._draft(text, newline, off, path)
        module, models, off = drafted.module, drafted.models, drafted.off

        stays: Mapping[Unit, Hindrance] = {}

        def settle() -> None:
            nonlocal stays
            stays = self._together.decide(place, models.outline)
            models.hold(stays)

        sites, edits = self._written(module, models.drafts, settle)
        others = imports_of_others(module, self._options)
        sites += import_sites(module, self._rulebook, off, models.drafts, edits, others)
        sites.sort(key=lambda site: (site.span.line, site.span.column))
        is_gone = all(site.status in (Status.MIGRATED, Status.UNSAFE) for site in sites)
        whole = is_gone and all(draft.is_written for draft in models.drafts)
        unasked = _unasked(module, edits)
        notes = self._together.notes(models.outline, stays) if edits else ()
        imported = {name: binding.target or "" for _, name, binding in module.names.imports()}
        defined = definitions(module.tree, imported)
        notes = (*_notes(off), *notes)
        return Migration(tuple(sites), tuple(edits), notes, unasked, whole, defined)

    def _written(
        self, module: ParsedModule, drafts: Sequence[Draft], settle: Callable[[], None]
    ) -> tuple[list[Site], list[Edit]]:
        """Return the sites and the edits of drafts, once what is written compiles."""
        edits = self._write(module, drafts, settle)
        while edits and (fault := _fault(module, edits)) is not None:
            if not _leave_faulty(module, drafts):
                raise InternalError(f"the rewritten text does not compile: {fault}")
            edits = self._write(module, drafts, settle)
        return [draft.site for draft in drafts], edits

    def _draft(
        self, text: str, newline: str, off: Suppressions | None, path: Path | None
    ) -> Drafted:
        """Draft a file whose classes and functions migrate as wholes."""
        module = self._parse(text, newline, path)
        models = Models(self._drafter(module, off), self._references(module))
        return Drafted(module, models, off)

    def _references(self, module: ParsedModule) -> list[Reference]:
        """Return what a module names of torch's, as far as rules select it."""
        return list(module.names.references(wanted_lines(module.text, module.names, self._words)))

    def _outline_of(self, file: Path) -> Outline | None:
        """Return the outline of another file of the project, which is drafted for it."""
        try:
            found = readable(file)
            if found is None:
                return None
            if not self._options.names(str(file.parent), str(file)):
                module = self._parse(found.text, found.newline, file)
                return outside(
                    module, self._references(module), f"name {file.name} in the run, too"
                )
            off = switches(found.text, str(file), self._options)
            drafted = self._draft(found.text, found.newline, off, file)
        except RuleError:
            raise
        except Exception:  # of a file that cannot be migrated: it is reported in its own turn
            return None
        self._drafted.add(file, drafted)
        return drafted.models.outline

    def _canonical(self, name: str) -> str | None:
        rule = self._rulebook.working(name)
        is_name = rule is not None and rule.kind is not Kind.MODULE  # not all that it holds
        return rule.torch.canonical(name) if rule and is_name else None

    def _counterpart(self, torch: str) -> str | None:
        rule = self._rulebook.working(torch)
        return rule.mindspore.api or None if rule else None

    def _parse(self, text: str, newline: str, path: Path | None) -> ParsedModule:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about the migrated code are not reported
            tree = _known(text, path) or ast.parse(text)
        names = read_names(tree, text, self._canonical, self._words, path)
        return ParsedModule(text, tree, names, LineIndex(text), newline, path)

    def _drafter(self, module: ParsedModule, off: Suppressions | None) -> Drafter:
        imports = Imports(module, [], self._counterpart)
        values = Values(module, self._calls, self._adapters, self._module_at)
        return Drafter(module, self._rulebook, self._calls, self._options, off, imports, values)

    def _module_at(self, file: Path) -> ParsedModule | None:
        """Return another file of the project, whose tree is that of the project's index."""
        if file not in self._modules:
            parsed = parse(file)
            self._modules[file] = None
            if parsed is not None and not parsed.hidden:
                names = read_names(parsed.tree, parsed.text, self._canonical, self._words, file)
                self._modules[file] = ParsedModule(
                    parsed.text, parsed.tree, names, LineIndex(parsed.text), "\n", file
                )
        return self._modules[file]

    def _write(
        self, module: ParsedModule, drafts: Sequence[Draft], settle: Callable[[], None]
    ) -> list[Edit]:
        """Return the edits of all drafts that are written; one that fails now is left instead."""
        while True:
            settle()
            wanted = [draft for draft in drafts if not draft.is_inside]
            written = [(draft, draft.text) for draft in wanted if draft.text is not None]
            if not written:
                return []
            written.sort(key=lambda one: one[0].order)
            imports = self._imports(module, drafts)
            edited = EditedText(module)
            for draft, text in written:
                try:
                    after = draft.fitted(text(imports, edited))
                except LEFT as error:  # it fails under the final names: start again without it
                    draft.leave(str(error))
                    break
                draft.site = replace(draft.site, after=after)
                edited.replace(draft.node, after)
            else:
                edits = [*edited.edits, *imports.edits()]
                return sorted(edits, key=lambda edit: (edit.start, edit.end))

    def _imports(self, module: ParsedModule, drafts: Sequence[Draft]) -> Imports | WholeImports:
        """Return how the file names MindSpore: as one in which no torch is left, if so."""
        is_whole = self._options.is_whole and all(draft.is_written for draft in drafts)
        if is_whole and not imports_of_others(module, self._options):
            return WholeImports(module)
        gone = [one.reference for one in drafts if one.is_gone]
        return Imports(module, gone, self._counterpart)


def _known(text: str, path: Path | None) -> ast.Module | None:
    """Return the tree by which a file is known to others, so that it is analysed only once."""
    place = path.resolve() if path is not None else None
    if place is None or place.suffix == ".ipynb":
        return None
    if (tree := project().tree(place, text)) is not None:
        return tree
    parsed = parse(place)
    return parsed.tree if parsed is not None and parsed.text == text else None


def _notes(off: Suppressions | None) -> tuple[Note, ...]:
    """Return what is to be said about the comments that switch sites off."""
    return off.notes() if off else ()


def _unasked(module: ParsedModule, edits: Sequence[Edit]) -> tuple[str, ...]:
    """Return the names that other files were not asked about, where the module has no path."""
    return tuple(sorted(module.names.unasked)) if edits else ()


def _nothing() -> None:
    """Do nothing: without whole models, every site is decided on its own."""


def _fault(module: ParsedModule, edits: Sequence[Edit]) -> str | None:
    """Say why the result does not compile, if it does not."""
    try:
        syntax_check.check(module.text, splice(module.text, edits))
    except SyntaxError as error:
        return error.msg
    return None


def _leave_faulty(module: ParsedModule, drafts: Sequence[Draft]) -> bool:
    """Leave the sites that do not compile where they stand; say whether there are such."""
    own = (one for one in drafts if one.kept is None)
    written = [one for one in own if one.is_written and one.site.after is not None]
    found = False
    for draft in written[:MOST_TRIED]:
        edit = Edit(module.start(draft.node), module.end(draft.node), draft.site.after or "")
        if draft.is_written and (fault := _fault(module, [edit])) is not None:
            draft.leave(
                f"what would be written does not compile here ({fault}): "
                "put its arguments into variables first"
            )
            found = True
    return found
