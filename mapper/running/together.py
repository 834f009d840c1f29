"""Decides for the files of a project together what stays torch's in each of them.

A reason in one file can keep classes of another one torch's, and those a third one's. So the files
that are tied to one another are decided in rounds until nothing is added. Every file takes part
with an outline alone, which holds no tree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mapper.model.results import Note
from mapper.planning.units import Hindrance, Unit, Units
from mapper.running.links import Links, Others, Staying

_NOTHING = Staying()


@dataclass(slots=True)
class Outline:
    """The units of a file, what of the file itself keeps some from migrating, and its ties."""

    units: Units
    hindrances: Sequence[tuple[Unit, Hindrance]]
    links: Links

    def decide(self, others: Others) -> dict[Unit, Hindrance]:
        """Return what stays torch's in this file, given what stays so in others."""
        hindrances = [*self.hindrances, *self.links.hindrances(others)]
        return self.units.settle(hindrances, self.links.asking(others))

    def staying(self, others: Others) -> Staying:
        """Return what other files have to know of it."""
        return Staying.of(self.decide(others), self.links.asking(others))


class Together:
    """Decides for files together; what is decided is kept.

    `outline` returns another file's outline, None where it holds nothing of torch's.
    """

    def __init__(self, outline: Callable[[Path], Outline | None]) -> None:
        self._outline = outline
        self._staying: dict[Path, Staying] = {}

    def forget(self) -> None:
        """Forget all files, which may have changed."""
        self._staying.clear()

    def staying(self, file: Path) -> Staying:
        """Return what stays torch's in a file that was decided, or is tied to one that was."""
        return self._staying.get(file, _NOTHING)

    def decide(self, path: Path | None, outline: Outline) -> Mapping[Unit, Hindrance]:
        """Return what stays torch's in a file, deciding it together with all that it is tied to.

        `path` is its absolute path, None for what is no file of a project.
        """
        if path is None or path not in self._staying:
            self._settle(self._reached(path, outline))
        found = outline.decide(self.staying)
        if path is not None:
            self._staying[path] = Staying.of(found, outline.links.asking(self.staying))
        return found

    def notes(self, outline: Outline, stays: Collection[Unit]) -> tuple[Note, ...]:
        """Return what is to be said about the files that use what is migrated here."""
        return tuple(outline.links.notes(self.staying, stays))

    def _reached(self, path: Path | None, outline: Outline) -> dict[Path, Outline]:
        """Return a file's outline with those of all that it is tied to and that are not decided."""
        found = {} if path is None else {path: outline}
        seen, waiting = {*self._staying, *found}, sorted(outline.links.files)
        while waiting:
            file = waiting.pop()
            if file in seen:
                continue
            seen.add(file)
            other = self._outline(file)
            if other is None:
                self._staying[file] = _NOTHING
            else:
                found[file] = other
                waiting += sorted(other.links.files - seen)
        return found

    def _settle(self, outlines: Mapping[Path, Outline]) -> None:
        """Decide files in rounds: each asks what the last round found in those it is tied to.

        So what is said does not depend on which file came first.
        """
        users: dict[Path, list[Path]] = {}
        for file, outline in outlines.items():
            for other in outline.links.files:
                users.setdefault(other, []).append(file)
        self._staying.update(dict.fromkeys(outlines, _NOTHING))
        waiting = set(outlines)
        while waiting:
            found = {one: outlines[one].staying(self.staying) for one in sorted(waiting)}
            grown = {one for one, new in found.items() if self._is_more(one, new)}
            self._staying.update({one: found[one] for one in grown})
            waiting = {user for one in grown for user in users.get(one, ()) if user in outlines}

    def _is_more(self, file: Path, new: Staying) -> bool:
        """Say whether more stays torch's in a file than was known; reasons do not count."""
        return _without_reasons(self.staying(file)) != _without_reasons(new)


def _without_reasons(staying: Staying) -> tuple[Collection[str], ...]:
    reasoned = (staying.names, staying.models, staying.asked)
    return (*(one.keys() for one in reasoned), staying.reads, staying.asks)
