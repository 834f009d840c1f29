"""Maps the names of two live models by the paths and classes of their layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mapper.weights import weight_norm
from mapper.weights.namemap import Drop, Fill, NameMap, Pair, Problem, Trouble, nearest
from mapper.weights.names import (
    AFFINE,
    CHILDREN,
    NEUTRAL,
    STATISTICS,
    WIDER,
    Renames,
    added_axis,
    is_normalisation,
    is_only_mindspores,
    rename,
)
from mapper.weights.networks import Entry, Network


def match(
    torch: Network,
    mindspore: Network,
    renames: Renames | None = None,
    paths: Mapping[str, str] | None = None,
    values_are_same: Callable[[str, str], bool] | None = None,
) -> NameMap:
    """Return the map from one model's names to the other's.

    `renames` says for a torch API what its parameters are called in MindSpore, beyond what is built
    in. `paths` says for a layer of torch's where it is in MindSpore, when its attribute was given
    another name. A name is matched by its place alone, never by its shape.

    `values_are_same` is given where `torch` is not a model but what a checkpoint tells of it. Then
    two names may stand for one parameter if their values are equal; and what the checkpoint lacks
    is not taken for absent in torch's model, unless MindSpore's does not train it.
    """
    return _Matching(torch, mindspore, renames or {}, paths or {}, values_are_same).result()


def moved(path: str, torch: Network, paths: Mapping[str, str]) -> str:
    """Return the path in MindSpore's model of a layer of torch's (`paths` as for `match`)."""
    if not path or path in paths:
        return paths.get(path, path)
    parent, _, last = path.rpartition(".")
    above = moved(parent, torch, paths)
    last = CHILDREN.get(torch.api(parent), {}).get(last, last)
    return f"{above}.{last}" if above else last


@dataclass
class _Matching:
    torch: Network
    mindspore: Network
    renames: Renames
    paths: Mapping[str, str]
    same: Callable[[str, str], bool] | None
    pairs: list[Pair] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lost: list[Entry] = field(default_factory=list)

    def result(self) -> NameMap:
        for entry in self.torch.entries:
            self._match(entry)
        self._refuse_shared_places()
        self._tie()
        taken = {pair.mindspore for pair in self.pairs}
        taken |= {name for one in self.problems for name in one.candidates}
        fills, extra = self._left(taken)
        self._list_lost(extra)
        return NameMap(tuple(self.pairs), tuple(self.drops), tuple(fills), tuple(self.problems))

    def _match(self, entry: Entry) -> None:
        api = self.torch.api(entry.owner)
        if self.same is not None and is_only_mindspores(api, entry.last, self.renames):
            message = f"is MindSpore's name in a layer that is {api} in torch: converted already?"
            self.problems.append(Problem(Trouble.MISSING, entry.name, (), message))
            return
        wanted = rename(api, entry.last, self.renames)
        if not wanted:
            self.drops.append(Drop(entry.name, entry.shape, entry.dtype))
            return
        places = self._places(entry, wanted)
        if not places:
            self.lost.append(entry)
        elif len(places) > 1:
            message = "several places in MindSpore's model"
            self.problems.append(Problem(Trouble.AMBIGUOUS, entry.name, tuple(places), message))
        else:
            self._pair(entry, self.mindspore.entry[places[0]], api)

    def _places(self, entry: Entry, wanted: str) -> list[str]:
        """Return where a parameter may be: at its own place, or below layers that were put around.

        A layer was put around when torch's model has none at its path: `conv.1` where `conv` is
        torch's convolution.
        """
        below = moved(entry.owner, self.torch, self.paths)
        prefix = f"{below}." if below else ""
        known = self.mindspore.entry
        for name in (wanted, entry.last):
            if prefix + name in known:
                return [prefix + name]
        if not entry.owner:
            return []
        layers = self.torch.layer
        found = []
        for name in known:
            if name.startswith(prefix) and name.endswith(f".{wanted}"):
                first = name[len(prefix) :].partition(".")[0]
                if f"{entry.owner}.{first}" not in layers:
                    found.append(name)
        return found

    def _pair(self, entry: Entry, place: Entry, api: str) -> None:
        is_wider = api in WIDER or entry.last in weight_norm.PARTS
        axis = added_axis(entry.shape, place.shape) if is_wider else None
        if axis is None and entry.shape != place.shape:
            message = f"has shape {entry.shape} in torch, {place.shape} in MindSpore"
            self.problems.append(Problem(Trouble.MISSHAPEN, entry.name, (place.name,), message))
        else:
            self.pairs.append(Pair(entry.name, place.name, entry.shape, place.shape, axis))

    def _refuse_shared_places(self) -> None:
        """Take out the pairs in which one parameter of MindSpore's is to be two of torch's."""
        owners: dict[str, dict[str, str]] = {}
        for pair in self.pairs:
            place, entry = self.mindspore.entry[pair.mindspore], self.torch.entry[pair.torch]
            known = owners.setdefault(place.identity or place.name, {})
            if self.same is None or not any(self.same(one, pair.torch) for one in known.values()):
                known.setdefault(entry.identity or entry.name, entry.name)
        kept = []
        for pair in self.pairs:
            place = self.mindspore.entry[pair.mindspore]
            if len(owners[place.identity or place.name]) == 1:
                kept.append(pair)
            else:
                message = "shares its place in MindSpore's model with another parameter of torch's"
                where = (pair.mindspore,)
                self.problems.append(Problem(Trouble.AMBIGUOUS, pair.torch, where, message))
        self.pairs = kept

    def _tie(self) -> None:
        """Give further names of one parameter of MindSpore's its value, where torch's are unknown.

        A checkpoint may keep tied weights under one of their names only.
        """
        if self.same is None:
            return
        known = self.mindspore.entry
        taken = {pair.mindspore for pair in self.pairs}
        by_identity = {known[pair.mindspore].identity: pair for pair in self.pairs}
        lost = {entry.name for entry in self.lost}
        for entry in self.mindspore.entries:
            pair = by_identity.get(entry.identity) if entry.identity else None
            if pair is not None and entry.name not in taken and not lost:
                self.pairs.append(replace(pair, mindspore=entry.name))

    def _left(self, taken: set[str]) -> tuple[list[Fill], list[Entry]]:
        """Return what only MindSpore has: what can be filled, and what cannot."""
        fills: list[Fill] = []
        extra: list[Entry] = []
        places = {moved(path, self.torch, self.paths) for path in self.torch.layer}
        for entry in self.mindspore.entries:
            if entry.name in taken:
                continue
            is_absent = self.same is None and _is_below(entry.owner, places)
            if is_idle(entry, self.mindspore) or (is_neutral(entry, self.mindspore) and is_absent):
                fills.append(Fill(entry.name, entry.shape, NEUTRAL[entry.last], entry.dtype))
            else:
                extra.append(entry)
        return fills, extra

    def _list_lost(self, extra: list[Entry]) -> None:
        for entry in self.lost:
            alike = [one.name for one in extra if _fits(entry, one)]
            message = "no place in MindSpore's model"
            near = nearest(entry.name, alike)
            self.problems.append(Problem(Trouble.MISSING, entry.name, near, message))
        for place in extra:
            alike = [one.name for one in self.lost if _fits(one, place)]
            here = "torch's model" if self.same is None else "the checkpoint"
            message = f"nothing in {here} belongs here"
            near = nearest(place.name, alike)
            self.problems.append(Problem(Trouble.EXTRA, place.name, near, message))


def is_neutral(entry: Entry, mindspore: Network) -> bool:
    """Say whether it belongs to a normalisation, and does nothing with its first value."""
    return entry.last in NEUTRAL and is_normalisation(mindspore.api(entry.owner))


def is_idle(entry: Entry, mindspore: Network) -> bool:
    """Say whether it belongs to a normalisation that was made to do without it."""
    if not is_neutral(entry, mindspore):
        return False
    if entry.last in STATISTICS:
        return mindspore.layer[entry.owner].by_batch
    return entry.last in AFFINE and not entry.trains


def _fits(entry: Entry, place: Entry) -> bool:
    return entry.shape == place.shape or added_axis(entry.shape, place.shape) is not None


def _is_below(path: str, places: set[str]) -> bool:
    """Say whether a path, or that of a layer put around it, is among the places."""
    return path in places or path.rpartition(".")[0] in places - {""}


def ties(torch: Network, mindspore: Network, names: NameMap) -> tuple[tuple[str, ...], ...]:
    """Return groups of names that share one parameter in torch, but have several in MindSpore.

    Their values are equal at first and differ after the first step of training.
    """
    groups: dict[str, list[str]] = {}
    for entry in torch.entries:
        groups.setdefault(entry.identity or entry.name, []).append(entry.name)
    pairs = names.to_mindspore()
    found = []
    for group in groups.values():
        places = [mindspore.entry[pairs[name].mindspore] for name in group if name in pairs]
        if Counter(one.identity or one.name for one in places).total() > 1 and (
            len({one.identity or one.name for one in places}) > 1
        ):
            found.append(tuple(group))
    return tuple(found)
