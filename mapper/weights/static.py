"""Maps the names of a checkpoint by the migration's report alone; no model is built or run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mapper.weights import weight_norm
from mapper.weights.definitions import Definitions
from mapper.weights.extents import agree, may_be
from mapper.weights.namemap import CANDIDATES, Drop, NameMap, Pair, Problem, Trouble
from mapper.weights.names import BUILT_IN, added_axis
from mapper.weights.networks import Shape
from mapper.weights.sites import KEPT, NORMED, PLAIN, Built
from mapper.weights.structure import Structure

Shapes = Mapping[str, Shape]
PARAMETERS = frozenset({"weight", "bias", "running_mean", "running_var"})
"""What is no name of a layer."""
PARTED = (
    "it is a part of a weight as weight_norm keeps it: --model tells whether the migrated layer "
    "has one weight"
)


def match_report(
    shapes: Shapes, built: Iterable[Built], known: Definitions | None = None
) -> NameMap:
    """Return the map for a checkpoint with these names and shapes.

    `known` is what the report says of classes: a name that none of them holds at its place is
    listed, and they decide between layers that several classes call alike. A name is matched when
    all sites that may have built its layer agree on what becomes of it; else it is listed with what
    they say.
    """
    known = known or Definitions({}, {}, {}, frozenset())
    return _Matching(shapes, tuple(built), known).result()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of one parameter, as one site says."""

    path: str
    axis: int | None


class _Matching:
    def __init__(self, shapes: Shapes, built: tuple[Built, ...], known: Definitions) -> None:
        self.shapes, self.built = shapes, built
        self.tree = Structure(known, frozenset(shapes), built)
        self.beside: dict[str, set[str]] = {}
        self.found: dict[str, list[Built]] = {}
        for name in shapes:
            owner, _, last = name.rpartition(".")
            self.beside.setdefault(owner, set()).add(last)
        self.paths = set(map(".".join, (
            parts[:end] for owner in self.beside
            for parts in [owner.split(".")] for end in range(1, len(parts) + 1)
        )))  # fmt: skip

    def result(self) -> NameMap:
        pairs: list[Pair] = []
        drops: list[Drop] = []
        problems: list[Problem] = []
        parted = {name for one in weight_norm.parts(self.shapes, ())
                  for name in (one.magnitude, one.direction)}  # fmt: skip
        wrong = {one.name: one.message for one in self.tree.faults if not one.is_absent}
        for name in self.shapes:
            said = next((wrong[path] for path in _above(name) if path in wrong), None)
            outcomes = self._outcomes(name) if said is None else set()
            if said is not None:
                problems.append(Problem(Trouble.MISSING, name, (), said))
            elif not outcomes:
                message = PARTED if name in parted else "no site of the report builds its layer"
                problems.append(Problem(Trouble.MISSING, name, (), message))
            elif len(outcomes) > 1:
                candidates = tuple(sorted(_joined(name, one.path) for one in outcomes))
                message = "the report has several layers that it may belong to"
                problems.append(Problem(Trouble.AMBIGUOUS, name, candidates, message))
            elif not (outcome := outcomes.pop()).path:
                drops.append(Drop(name, self.shapes[name]))
            else:
                pairs.append(self._pair(name, outcome))
        kept, shared = _without_shared(pairs)
        problems += [*shared, *self._absent(), *self._absent_layers(), *self._absent_by_class()]
        kept, torn = _without_torn(kept, {one.name for one in problems})
        found = {one.name: one for one in (*problems, *torn)}  # one of several for each name
        elsewhere = tuple(self._elsewhere())
        return NameMap(kept, tuple(drops), (), tuple(found.values()), elsewhere)

    def _absent_by_class(self) -> Iterator[Problem]:
        """Yield what the state lacks of what classes always have."""
        for one in self.tree.faults:
            if one.is_absent:
                yield Problem(Trouble.MISSING, one.name, (), one.message)

    def _absent(self) -> Iterator[Problem]:
        """Yield what the state lacks of layers that are there: what each of their sites builds."""
        for owner, sites in self.found.items():
            needed = set.intersection(*(one.required(self.beside[owner]) for one in sites))
            message = "the state has no value for it"
            for last in sorted(needed - self.beside[owner]):
                yield Problem(Trouble.MISSING, f"{owner}.{last}".removeprefix("."), (), message)

    def _absent_layers(self) -> Iterator[Problem]:
        """Yield what the state has nowhere, of classes of which it has other layers."""
        for site, there, lacking in self._in_places():
            if not there:
                message = f"{site.cls} builds {site.attribute}, and the state has no value for it"
                for last in sorted(site.required()):
                    yield Problem(Trouble.MISSING, f"{lacking[0]}.{last}", (), message)

    def _elsewhere(self) -> Iterator[str]:
        """Yield which layers of a class are in some places and not in others.

        That may be meant (a shortcut that not every block has), or the file may be torn.
        """
        for _, there, lacking in self._in_places():
            if there and lacking:
                yield f"{_few(lacking)}: its class builds it elsewhere ({_few(there)})"

    def _in_places(self) -> Iterator[tuple[Built, list[str], list[str]]]:
        """Yield each layer of a class, with the paths at which it is and at which it is not.

        Where several classes may be at a path, the layers count that each of them builds.
        """
        places = self._places()
        builders: dict[str, dict[str, Built]] = {}
        for site in self.built:
            if site.cls and site.attribute and site.required():
                builders.setdefault(site.attribute, {}).setdefault(site.cls, site)
        for attribute, by_class in builders.items():
            above_all = sorted(above for above, classes in places.items()
                               if classes and classes <= by_class.keys())  # fmt: skip
            owners = [f"{above}.{attribute}".removeprefix(".") for above in above_all]
            there = [owner for owner in owners if owner in self.paths]
            if owners:
                site = by_class[min(places[above_all[0]])]
                yield site, there, [owner for owner in owners if owner not in self.paths]

    def _places(self) -> Mapping[str, set[str]]:
        """Return which classes may be where, by the attributes that are there."""
        places: dict[str, set[str]] = {}
        for owner, sites in self.found.items():
            found: dict[str, set[str]] = {}
            for one in sites:
                end = f".{one.attribute}"
                if one.cls and f".{owner}".endswith(end):  # else an element of what it is
                    above = f".{owner}".removesuffix(end).removeprefix(".")
                    found.setdefault(above, set()).add(one.cls)
            for above, classes in found.items():
                places[above] = places.get(above, classes) & classes
        return places

    def _pair(self, name: str, outcome: _Outcome) -> Pair:
        shape = self.shapes[name]
        wider = shape
        if outcome.axis is not None:
            wider = (*shape[: outcome.axis], 1, *shape[outcome.axis :])
        return Pair(name, _joined(name, outcome.path), shape, wider, outcome.axis)

    def _outcomes(self, name: str) -> set[_Outcome]:
        owner, _, last = name.rpartition(".")
        sites = [site for site in self._layers(self._first(owner)) if self._may_be(site, owner)]
        if sites:
            self.found[owner] = sites
            outcomes = {self._outcome(site, last) for site in sites}
            there = (site for site in sites if not site.home or site.home in self.tree.reached)
            return outcomes if len(outcomes) < 2 else {self._outcome(site, last) for site in there}
        parent, _, child = owner.rpartition(".")
        inner = parent if child == "out_proj" else owner  # the one layer inside of an attention
        kept = [site for site in self._layers(self._first(inner))
                if site.api in KEPT and not site.parameters]  # fmt: skip
        is_alone = len({site.attribute for site in kept}) == 1
        if kept and is_alone:
            shapes = {one: self.shapes[f"{owner}.{one}"] for one in self.beside[owner]}
            is_one = any(one.api == NORMED for one in kept) or agree(shapes)
            return {_Outcome(last, self._part_axis(name, kept))} if is_one else set()
        return {_Outcome(last, None)} if self._are_kept_by_a_class(owner) else set()

    def _first(self, owner: str) -> str:
        """Return the path at which a layer has its first name."""
        seen = {owner}
        while (found := self.tree.same.get(owner, owner)) not in seen:
            seen.add(owner := found)
        return owner

    def _part_axis(self, name: str, sites: list[Built]) -> int | None:
        """Return the axis that a part of a weight gets, as weight_norm keeps it."""
        is_part = name.rpartition(".")[2] in weight_norm.PARTS
        is_flat = len(self.shapes[name]) == 3  # of a convolution of one dimension, which has four
        return 2 if is_part and is_flat and all(one.api == NORMED for one in sites) else None

    def _layers(self, owner: str) -> list[Built]:
        """Return the sites that may have built the layer at a path, by the most exact match."""
        parts = owner.split(".")
        if not owner or parts[-1] in PARAMETERS or self._is_in_a_layer(parts):
            return []
        tails = [".".join(parts[i:]) for i in range(len(parts))]
        heads = {tail: self.tree.classes.get(".".join(parts[:i])) for i, tail in enumerate(tails)}
        named = [s for s in self.built if s.attribute in heads and _agrees(s, heads[s.attribute])]
        kinds = self.tree.kinds.get(owner)
        if named and kinds:
            return named
        nameless = [s for s in self.built if s.attribute is None and (
            kinds is None or s.kind in kinds)]  # fmt: skip
        if named:
            return [*named, *nameless]
        # a layer of a Sequential: the site may name the Sequential, without the position
        listed = [s for s in self.built if s.attribute in parts[:-1]
                  and (kinds is None or s.kind in kinds)]  # fmt: skip
        return [*listed, *nameless]

    def _is_in_a_layer(self, parts: list[str]) -> bool:
        """Say whether a layer above a path has parameters itself: the framework's hold no other."""
        above = (".".join(parts[:end]) for end in range(1, len(parts)))
        return any(
            not self._are_kept_by_a_class(one)
            for one in above
            if self.beside.get(one, set()) & PARAMETERS
        )

    def _may_be(self, site: Built, owner: str) -> bool:
        """Say whether a site has all the names that a layer has, and their shapes."""
        if not self.beside[owner] <= self._names(site):
            return False
        names = self.beside[owner]
        return site.fits({one: self.shapes[_joined(f"{owner}.", one)] for one in names})

    def _names(self, site: Built) -> set[str]:
        dropped = {n for n, new in BUILT_IN.get(site.api, {}).items() if not new}
        return {*site.names(), *dropped}

    def _outcome(self, site: Built, last: str) -> _Outcome:
        if last not in site.names():
            return _Outcome("", None)
        path, torch, mindspore = site.names()[last]
        return _Outcome(path, added_axis(torch, mindspore))

    def _are_kept_by_a_class(self, owner: str) -> bool:
        """Say whether one class itself holds all the names at a path, which keep them then."""
        if owner in self.tree.kinds:
            return False
        known = self.tree.classes.get(owner)
        held = [self._classes_with(name, self.shapes[f"{owner}.{name}".removeprefix(".")])
                for name in self.beside[owner]]  # fmt: skip
        if known is not None and not all(one & {None, *known} for one in held):
            return False
        sure = [one - {None} for one in held if None not in one]
        return all(held) and (not sure or bool(set.intersection(*sure)))

    def _classes_with(self, name: str, shape: Shape) -> set[str | None]:
        """Return the classes that keep a parameter or buffer of this name; None is any class."""
        found = [one.cls for one in self.built if one.api in PLAIN and one.attribute == name
                 and may_be(shape, one.extent)]  # fmt: skip
        return {cls and cls.rpartition(".")[2] for cls in found}


def _agrees(site: Built, classes: frozenset[str] | None) -> bool:
    """Say whether the class of a site is one of those that may be there."""
    cls = (site.cls or "").rpartition(".")[2]
    return classes is None or not cls or cls in classes


def _above(name: str) -> Iterator[str]:
    """Yield the paths above a name, and the name."""
    parts = name.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _without_torn(
    pairs: tuple[Pair, ...], listed: Iterable[str]
) -> tuple[tuple[Pair, ...], tuple[Problem, ...]]:
    """Take out what is beside a name that is listed: the report decides on layers as a whole."""
    owners = {name.rpartition(".")[0] for name in listed} - {""}
    kept = tuple(one for one in pairs if one.torch.rpartition(".")[0] not in owners)
    message = "a name beside it is listed"
    torn = {one.torch for one in pairs} - {one.torch for one in kept}
    return kept, tuple(Problem(Trouble.MISSING, name, (), message) for name in sorted(torn))


def _few(names: list[str]) -> str:
    return ", ".join(names[:CANDIDATES]) + (", …" if len(names) > CANDIDATES else "")


def _joined(name: str, path: str) -> str:
    """Return the name of what is beside a name."""
    owner = name.rpartition(".")[0]
    return f"{owner}.{path}" if owner else path


def _without_shared(pairs: list[Pair]) -> tuple[tuple[Pair, ...], tuple[Problem, ...]]:
    counts: dict[str, list[str]] = {}
    for pair in pairs:
        counts.setdefault(pair.mindspore, []).append(pair.torch)
    kept = tuple(pair for pair in pairs if len(counts[pair.mindspore]) == 1)
    message = "several names of torch's would get one name"
    shared = (
        Problem(Trouble.AMBIGUOUS, name, (place,), message)
        for place, names in counts.items()
        if len(names) > 1
        for name in names
    )
    return kept, tuple(shared)
