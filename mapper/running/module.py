"""Migrates one module: from its text to sites, edits and proofs."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mapper.analysis.module import ParsedModule
from mapper.analysis.project_files import parse
from mapper.analysis.resolve import read_names, wanted_lines
from mapper.files import regular
from mapper.files.candidates import is_candidate
from mapper.files.source import Edit, LineIndex, SourceError, decode, splice
from mapper.files.suppressions import Suppressions
from mapper.limits import LARGEST_SOURCE, MOST_TRIED
from mapper.model.conv_names import AFTER_FIRST_LETTER
from mapper.model.options import Options
from mapper.model.record import record
from mapper.model.results import Note, Site, Status
from mapper.rulebook.loader import Rulebook
from mapper.rulebook.schema import Kind
from mapper.running.adapters import Adapters
from mapper.running.calls import CallRewriter
from mapper.running.drafts import LEFT, Draft, Drafter
from mapper.running.models import Models, Staying
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


class InternalError(Exception):
    """The rewritten text would not compile; nothing is written."""


class Migrator:
    """Rewrites modules; proofs are cached across the modules that one instance rewrites."""

    def __init__(self, rulebook: Rulebook, options: Options) -> None:
        self._rulebook = rulebook
        self._options = options
        self._calls = CallRewriter(rulebook, options)
        self._known: dict[Path, Staying] = {}
        self._modules: dict[Path, ParsedModule | None] = {}
        self._adapters = Adapters(self._calls, lambda text: self._parse(text, "\n", None))
        self._words = None if options.is_whole else AFTER_FIRST_LETTER

    def forget(self) -> None:
        """Forget what was found in other files, for a new run; proofs are kept."""
        self._known.clear()
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
        module = self._parse(text, newline, path)
        references = list(module.names.references(wanted_lines(text, module.names, self._words)))
        drafter = self._drafter(module, off)
        if self._options.is_whole:
            models = Models(drafter, references, self._staying)
            drafts = models.drafts
            settle: Callable[[], None] = models.settle
        else:
            drafts, settle = drafter.drafts(references), _nothing
        edits = self._write(module, drafts, settle)
        while edits and (fault := _fault(module, edits)) is not None:
            if not _leave_faulty(module, drafts):
                raise InternalError(f"the rewritten text does not compile: {fault}")
            edits = self._write(module, drafts, settle)
        sites = [draft.site for draft in drafts]
        whole = None
        if self._options.is_whole:
            others = imports_of_others(module, self._options)
            sites += import_sites(module, self._rulebook, off, drafts, edits, others)
            sites.sort(key=lambda site: (site.span.line, site.span.column))
            is_gone = all(site.status in (Status.MIGRATED, Status.UNSAFE) for site in sites)
            whole = is_gone and all(draft.is_written for draft in drafts)
        notes = off.notes() if off else ()
        unasked = _unasked(module, edits)
        return Migration(tuple(sites), tuple(edits), notes, unasked, whole)

    def _staying(self, file: Path) -> Staying:
        """Return what stays torch's in another file; nothing while that file is being looked at."""
        if file not in self._known:
            self._known[file] = Staying()
            try:
                module = self._torchs(file)
            except (OSError, SourceError, SyntaxError, RecursionError, MemoryError):
                module = None
            if module is None:
                return self._known[file]
            lines = wanted_lines(module.text, module.names, None)
            references = list(module.names.references(lines))
            is_named = self._options.names(str(file.parent), str(file))
            others = self._staying if is_named else _nothing_known  # all of it stays anyway
            models = Models(self._drafter(module, None), references, others)
            models.settle("" if is_named else f"name {file.name} in the run, too")
            self._known[file] = models.staying
        return self._known[file]

    def _torchs(self, file: Path) -> ParsedModule | None:
        """Return another file of the project, if it may hold anything of torch's."""
        if file.suffix == ".ipynb":
            return self._module_at(file)
        data = regular.read(file, LARGEST_SOURCE)
        if not is_candidate(data, str(file), is_whole=True):
            return None
        return self._parse(decode(data).text, "\n", file)

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
            tree = ast.parse(text)
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
            written = [(draft, draft.text) for draft in drafts if draft.text is not None]
            if not written:
                return []
            written.sort(key=lambda one: one[0].order)
            imports = self._imports(module, drafts)
            edited = EditedText(module)
            for draft, text in written:
                try:
                    after = text(imports, edited)
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
        gone = [one.reference for one in drafts if one.is_written and not one.stays]
        return Imports(module, gone, self._counterpart)


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
    written = [one for one in drafts if one.is_written and one.site.after is not None]
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


def _nothing_known(file: Path) -> Staying:
    return Staying()
