"""The results of a run: what happened at each site and in each file, and how it was proved.

They are frozen dataclasses that can be pickled. This package imports no other one of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from mapper.model.record import record


class Status(StrEnum):
    """What happened at a site; the values are the words of the JSON report."""

    MIGRATED = "migrated"
    UNSAFE = "unsafe"
    SHAPE_ONLY = "shape-only"
    MANUAL = "manual"
    UNCOVERED = "uncovered"
    IGNORED = "ignored"


class FileStatus(StrEnum):
    """What happened to a file as a whole."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@record(frozen=True, slots=True)
class Span:
    """A stretch of source: 1-based lines and character columns, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@record(frozen=True, slots=True)
class Parameter:
    """Shapes of one trained parameter on both sides.

    `path` is its name below the attribute after the rewrite, e.g. `1.weight` in a SequentialCell.
    """

    torch: tuple[int, ...]
    mindspore: tuple[int, ...]
    path: str


@record(frozen=True, slots=True)
class Proof:
    """The engine's evidence for one rewrite.

    `kind` is `exact` (every argument that matters was known), `sampled` (symbolic arguments were
    tried over admissible values), `rule` (no argument decides a number: the rule itself is held to
    both frameworks by tests) or `none`. The shapes are those of one representative case;
    `max_abs_error` is the largest over all cases, in float64.
    """

    kind: str = "none"
    cases: int = 0
    input_shape: tuple[int, ...] | None = None
    output_shape: tuple[int, ...] | None = None
    max_abs_error: float | None = None


@record(frozen=True, slots=True)
class Site:
    """One reference to torch in a source file, and what became of it.

    `before` is the source of the reference or call, `after` the text that replaces it (None when
    there is no rewrite). A site whose status is not written keeps a proposed `after` when one
    exists (`unsafe`); one that is left to a person has the call there that raises, with
    `--partial`. `through` is the local name by which a call reaches the class, where it is not the
    torch reference itself. `owner` is the class and `attribute` the attribute of `self`
    that a call builds a layer for (`BasicBlock`, `bn1`; with its place in a Sequential, `body.0`).
    `cell` is the index of the notebook cell (0-based), None in a `.py` file; the span is then
    relative to that cell.
    """

    rule: str
    api: str
    target: str | None
    status: Status
    span: Span
    before: str
    after: str | None = None
    message: str = ""
    assumptions: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    proof: Proof = field(default_factory=Proof)
    cell: int | None = None
    through: str | None = None
    owner: str | None = None
    attribute: str | None = None

    @property
    def raises(self) -> bool:
        """Say whether a call that raises was written for what could not be migrated."""
        return self.status in (Status.MANUAL, Status.UNCOVERED) and self.after is not None

    def is_written(self, unsafe: bool) -> bool:
        """Say whether a run writes `after`; `unsafe`: sites of that status are written too."""
        if self.status is Status.UNSAFE:
            return unsafe and self.after is not None
        return self.status in (Status.MIGRATED, Status.SHAPE_ONLY)


@record(frozen=True, slots=True)
class Note:
    """A remark that is not about a call site: an unused suppression, a skipped notebook cell.

    `is_error`: a part of the file could not be read, and torch is in it.
    """

    line: int
    message: str
    cell: int | None = None
    is_error: bool = False


Held = str | tuple["Held", ...]
"""What an attribute may be: torch's class in full, another class or `self.other` by its name, a
tuple of the elements of a list of layers, `""` for what is no layer, or `UNKNOWN`. A tuple that
starts with `ANY` says what the elements may be, but not where."""
UNKNOWN = "?"
BUFFER = "torch.Tensor"
ANY = "*"
"""The part of an attribute's name that is computed, or places in a list that are not known."""
POSITIONS = "[0-9]*"
"""The names of layers in a list."""


@record(frozen=True, slots=True)
class Definition:
    """A class, function or variable of a file, as far as it says what a checkpoint holds.

    `uses` are the other definitions, here or elsewhere, that it mentions. A class `holds` in each
    attribute one of some values, and sets those in `always` whenever it is built; what a method
    returns is held under its name with `()`. A function `returns` one of some values. What it
    `sets` are attributes of something else than `self`. The name of a statement alone is empty.
    """

    name: str
    line: int
    end_line: int
    is_class: bool
    uses: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    holds: Mapping[str, tuple[Held, ...]] = field(default_factory=dict)
    always: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    returns: tuple[Held, ...] = ()


@record(frozen=True, slots=True)
class FileResult:
    """One file after the run.

    `before` and `after` are the decoded texts of the whole file (for a notebook: of its JSON), a
    byte order mark included; both are None when the file was not decoded. `encoding` turns them
    into the file's bytes. `message` says why a file failed, `line` and `column` (from 1) at which
    place, 0 where at none. `whole`: no torch is left in it and no
    site needs a person; None where that was not asked, since only convolutions were selected.
    """

    path: str
    status: FileStatus
    sites: tuple[Site, ...] = ()
    message: str | None = None
    notes: tuple[Note, ...] = ()
    before: str | None = None
    after: str | None = None
    encoding: str = "utf-8"
    whole: bool | None = None
    line: int = 0
    column: int = 0
    definitions: tuple[Definition, ...] = ()

    @property
    def reason(self) -> str:
        """Return why the file failed, with the line, for formats that have no place for it."""
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.message or 'failed'}"

    def encoded(self) -> bytes | None:
        """Return the bytes of the rewritten file."""
        return None if self.after is None else self.after.encode(self.encoding)

    def errors(self) -> tuple[Note, ...]:
        """Return the notes on parts of the file that could not be read."""
        return tuple(note for note in self.notes if note.is_error)


@record(frozen=True, slots=True)
class Run:
    """A whole run: the files in walking order, and what they were written for.

    `unsafe`: sites of that status are written too.
    """

    files: tuple[FileResult, ...]
    mindspore: str
    device: str = "any"
    recipe: str = "exact"
    seconds: float = 0.0
    unsafe: bool = False

    def is_written(self, site: Site) -> bool:
        """Say whether this site's `after` is in the rewritten text."""
        return site.is_written(self.unsafe)

    def needs_person(self, site: Site) -> bool:
        """Say whether something is left to do by hand at this site."""
        is_open = site.status in (Status.MANUAL, Status.UNSAFE)
        return (is_open and not self.is_written(site)) or site.raises

    def counts(self) -> dict[str, int]:
        """Return the figures of the report's summary, in the report's words and order."""
        sites = [site.status for file in self.files for site in file.sites]
        states = [file.status for file in self.files]
        return {
            "files": len(states),
            "changed": states.count(FileStatus.CHANGED),
            "failed": states.count(FileStatus.FAILED),
            "whole": sum(bool(file.sites) and file.whole is True for file in self.files),
            "sites": len(sites),
            **{status.replace("-", "_"): sites.count(status) for status in Status},
        }
