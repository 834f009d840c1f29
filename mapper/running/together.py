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

    def decide(self, others: Others, wanted: Collection[str]) -> dict[Unit, Hindrance]:
        """Return what stays torch's in this file, given what stays so in others.

        `wanted` are the names that models of others use.
        """
        models = self.units.of_models
        own = [
            (unit, one)
            for unit, one in self.hindrances
            if not (one.can_raise and (unit in models or not unit.binds.isdisjoint(wanted)))
        ]
        hindrances = [*own, *self.links.hindrances(others)]
        return self.units.settle(hindrances, self.links.asking(others))

    def staying(self, others: Others, wanted: Collection[str]) -> Staying:
        """Return what other files have to know of it."""
        return Staying.of(self.decide(others, wanted), self.links.asking(others))


class Together:
    """Decides for files together; what is decided is kept.

    `outline` returns another file's outline, None where it holds nothing of torch's.
    """

    def __init__(self, outline: Callable[[Path], Outline | None]) -> None:
        self._outline = outline
        self._staying: dict[Path, Staying] = {}
        self._wanted: dict[Path, set[str]] = {}
        """The names of a file that models of other files use, as far as something may raise."""

    def forget(self) -> None:
        """Forget all files, which may have changed."""
        self._staying.clear()
        self._wanted.clear()

    def staying(self, file: Path) -> Staying:
        """Return what stays torch's in a file that was decided, or is tied to one that was."""
        return self._staying.get(file, _NOTHING)

    def decide(self, path: Path | None, outline: Outline) -> Mapping[Unit, Hindrance]:
        """Return what stays torch's in a file, deciding it together with all that it is tied to.

        `path` is its absolute path, None for what is no file of a project.
        """
        if path is None or path not in self._staying:
            reached = self._reached(path, outline)
            self._want(path, reached, outline)
            self._settle(reached)
        found = outline.decide(self.staying, self._wanted.get(path, ()) if path else ())
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

    def _want(self, path: Path | None, outlines: Mapping[Path, Outline], first: Outline) -> None:
        """Note what models use of other files, and what that uses: it may raise as they may."""
        files = [(path, first), *outlines.items()]
        if not any(why.can_raise for _, one in files for _, why in one.hindrances):
            return
        waiting = [(file, one, unit) for file, one in files for unit in one.units.of_models]
        seen = {unit for _, _, unit in waiting}
        for file, outline, unit in waiting:  # grows meanwhile
            used = [(file, outline, one) for one in unit.uses]
            for use in (use for user, use in outline.links.uses if user is unit):
                if (other := outlines.get(use.file)) is not None:
                    used += [(use.file, other, one) for one in other.units.binding(use.name)]
            for place, around, one in used:
                if one not in seen and place is not None:
                    seen.add(one)
                    waiting.append((place, around, one))
                    self._wanted.setdefault(place, set()).update(one.binds)

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
            found = {
                one: outlines[one].staying(self.staying, self._wanted.get(one, ()))
                for one in sorted(waiting)
            }
            grown = {one for one, new in found.items() if self._is_more(one, new)}
            self._staying.update({one: found[one] for one in grown})
            waiting = {user for one in grown for user in users.get(one, ()) if user in outlines}

    def _is_more(self, file: Path, new: Staying) -> bool:
        """Say whether more stays torch's in a file than was known; reasons do not count."""
        return _without_reasons(self.staying(file)) != _without_reasons(new)


def _without_reasons(staying: Staying) -> tuple[Collection[str], ...]:
    reasoned = (staying.names, staying.models, staying.asked)
    return (*(one.keys() for one in reasoned), staying.reads, staying.asks)
