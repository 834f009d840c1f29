"""Maps the names of a checkpoint by the migration's report alone; no model is built or run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mapper.weights import weight_norm
from mapper.weights.namemap import Drop, NameMap, Pair, Problem, Trouble
from mapper.weights.names import BUILT_IN, WIDER, Renames, added_axis, rename
from mapper.weights.networks import Shape

Shapes = Mapping[str, Shape]
REGISTERED = frozenset({"torch.nn.Module.register_buffer", "torch.nn.Module.register_parameter"})
"""Calls whose first argument is the name of what the class keeps."""
PLAIN = REGISTERED | {"torch.nn.Parameter", "torch.nn.parameter.Parameter", "torch.Tensor"}
"""What a class keeps under the same name itself."""
BIASED = ("Conv", "Linear", "Bilinear")
"""Layers that have a bias where a symbolic argument says so."""
PARTED = (
    "it is a part of a weight as weight_norm keeps it: --model tells whether the migrated layer "
    "has one weight"
)
KEPT = frozenset(
    f"torch.nn.{name}" for name in ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell",
                                    "MultiheadAttention")
)  # fmt: skip
"""Layers whose parameters, of many numbers and names, are called alike on both sides."""


@dataclass(frozen=True, slots=True)
class Built:
    """A site that builds a layer: where, what, and the parameters that it has on both sides.

    `parameters`: torch's name -> (name below the attribute in MindSpore, torch's shape, MindSpore's
    shape). The shapes are `exact`, or those of one sample.
    """

    cls: str | None
    attribute: str | None
    api: str
    parameters: Mapping[str, tuple[str, Shape, Shape]]
    exact: bool = False

    def names(self) -> Mapping[str, tuple[str, Shape, Shape]]:
        """Return its parameters, also a bias that a symbolic argument decides."""
        kind = self.api.rpartition(".")[2]
        if self.exact or "bias" in self.parameters or not kind.startswith(BIASED):
            return self.parameters
        path, torch, mindspore = self.parameters.get("weight", ("weight", (), ()))
        bias = path.removesuffix("weight") + "bias", torch[:1], mindspore[:1]
        return {**self.parameters, "bias": bias}

    def required(self) -> set[str]:
        """Return the parameters that it has whatever its symbolic arguments are."""
        if self.exact:
            return set(self.parameters)
        is_sure = self.api.rpartition(".")[2].startswith((*BIASED, "Embedding", "PReLU"))
        return {"weight"} & self.parameters.keys() if is_sure else set()


def sites(report: Mapping[str, Any]) -> tuple[Built, ...]:
    """Return the layers in a JSON report, and the parameters that classes hold themselves."""
    found = []
    for file in report["files"]:
        for site in file["sites"]:
            if site["status"] not in ("migrated", "unsafe", "shape-only"):
                continue
            parameters = {
                name: (one["path"], tuple(one["torch"]), tuple(one["mindspore"]))
                for name, one in (site.get("parameters") or {}).items()
            }
            exact = site.get("proof", {}).get("kind") == "exact" and _is_literal(site)
            where = site.get("class"), site.get("attribute") or _registered(site)
            if parameters or site["api"] in PLAIN or site["api"] in KEPT:
                found.append(Built(*where, site["api"], parameters, exact))
    return tuple(found)


def _registered(site: Mapping[str, Any]) -> str | None:
    """Return the name under which a call registers a buffer or parameter, if it is written out."""
    call = _call(site) if site["api"] in REGISTERED else None
    if call is None:
        return None
    named = [one.value for one in call.keywords if one.arg == "name"]
    match [*call.args, *named]:
        case [ast.Constant(value=str(name)), *_]:
            return name
    return None


def _is_literal(site: Mapping[str, Any]) -> bool:
    """Say whether all arguments are written out, so that the shapes are those of the model."""
    if "before" not in site:
        return True
    call = _call(site)
    if call is None:
        return False
    try:
        given = [*call.args, *(one.value for one in call.keywords)]
        return all(ast.literal_eval(one) is not call for one in given)
    except ValueError:
        return False


def _call(site: Mapping[str, Any]) -> ast.Call | None:
    try:
        found = ast.parse(site["before"].strip(), mode="eval").body
    except SyntaxError:
        return None
    return found if isinstance(found, ast.Call) else None


def match_report(
    shapes: Shapes,
    built: Iterable[Built],
    classes: Mapping[str, str] | None = None,
    renames: Renames | None = None,
) -> NameMap:
    """Return the map for a checkpoint with these names and shapes.

    `classes` are the classes of the model's modules by their paths, as far as they are known
    (`layer1.0` -> `BasicBlock`, `layer1.0.bn1` -> `torch.nn.BatchNorm2d`): they decide between
    classes that call different layers by the same attribute. A name is matched when all sites that
    may have built its layer agree on what becomes of it; else it is listed with what they say.
    """
    return _Matching(shapes, tuple(built), classes or {}, renames or {}).result()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of one parameter, as one site says."""

    path: str
    axis: int | None


class _Matching:
    def __init__(
        self,
        shapes: Shapes,
        built: tuple[Built, ...],
        classes: Mapping[str, str],
        renames: Renames,
    ) -> None:
        self.shapes, self.built = shapes, built
        self.classes, self.renames = classes, renames
        self.beside: dict[str, set[str]] = {}
        self.found: dict[str, list[Built]] = {}
        for name in shapes:
            owner, _, last = name.rpartition(".")
            self.beside.setdefault(owner, set()).add(last)

    def result(self) -> NameMap:
        pairs: list[Pair] = []
        drops: list[Drop] = []
        problems: list[Problem] = []
        parted = {name for one in weight_norm.parts(self.shapes, ())
                  for name in (one.magnitude, one.direction)}  # fmt: skip
        for name in self.shapes:
            outcomes = self._outcomes(name)
            if not outcomes:
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
        return NameMap(kept, tuple(drops), (), (*problems, *shared, *self._absent()))

    def _absent(self) -> Iterator[Problem]:
        """Return what sites build and the state lacks.

        Of a layer that is there: each parameter that all sites which may have built it have. And a
        layer that is nowhere, of a class of which other layers are there.
        """
        for owner, sites in self.found.items():
            needed = set.intersection(*(one.required() for one in sites))
            message = "the state has no value for it"
            for last in sorted(needed - self.beside[owner]):
                yield Problem(Trouble.MISSING, f"{owner}.{last}".removeprefix("."), (), message)
        yield from self._absent_layers()

    def _absent_layers(self) -> Iterator[Problem]:
        places: dict[str, set[str]] = {}
        for owner, sites in self.found.items():
            classes = {one.cls for one in sites}
            attributes = {one.attribute for one in sites}
            if len(classes) == 1 == len(attributes) and None not in (*classes, *attributes):
                end = f".{attributes.pop()}"
                if f".{owner}".endswith(end):  # else an element of what the attribute is
                    above = f".{owner}".removesuffix(end).removeprefix(".")
                    places.setdefault(str(classes.pop()), set()).add(above)
        for site in self.built:
            above_all = sorted(places.get(site.cls or "", ()))
            if not site.attribute or not site.required() or not above_all:
                continue
            owners = [f"{above}.{site.attribute}".removeprefix(".") for above in above_all]
            if not any(known == owner or known.startswith(f"{owner}.")
                       for known in self.beside for owner in owners):  # fmt: skip
                message = f"{site.cls} builds {site.attribute}, and the state has no value for it"
                for last in sorted(site.required()):
                    yield Problem(Trouble.MISSING, f"{owners[0]}.{last}", (), message)

    def _pair(self, name: str, outcome: _Outcome) -> Pair:
        shape = self.shapes[name]
        wider = shape
        if outcome.axis is not None:
            wider = (*shape[: outcome.axis], 1, *shape[outcome.axis :])
        return Pair(name, _joined(name, outcome.path), shape, wider, outcome.axis)

    def _outcomes(self, name: str) -> set[_Outcome]:
        owner, _, last = name.rpartition(".")
        known = self.classes.get(owner, "")
        if known in BUILT_IN or known in self.renames or known in WIDER:
            axis = 2 if known in WIDER and last == "weight" else None
            return {_Outcome(rename(known, last, self.renames), axis)}
        sites = [site for site in self._layers(owner) if self._may_be(site, name)]
        if sites:
            self.found[owner] = sites
            return {self._outcome(site, last) for site in sites}
        parent, _, child = owner.rpartition(".")
        inner = parent if child == "out_proj" else owner  # the one layer inside of an attention
        kept = [site for site in self._layers(inner) if site.api in KEPT and not site.parameters]
        is_alone = len({site.attribute for site in kept}) == 1
        if kept and is_alone:
            return {_Outcome(last, None)}
        return self._kept_by_a_class(owner, last)

    def _layers(self, owner: str) -> list[Built]:
        """Return the sites that may have built the layer at a path, by the most exact match."""
        parts = owner.split(".")
        tails = [".".join(parts[i:]) for i in range(len(parts))]
        heads = {tail: self.classes.get(".".join(parts[: i - 1]) if i > 1 else "", "")
                 for i, tail in enumerate(tails, 1)}  # fmt: skip
        named = [s for s in self.built if s.attribute in heads and self._agrees(s, heads)]
        if named and self.classes.get(".".join(parts[:-1])):
            return named
        nameless = [s for s in self.built if s.attribute is None]
        if named:
            return [*named, *nameless]
        # a layer of a Sequential: the site may name the Sequential, without the position
        listed = [s for s in self.built if (s.attribute or "").partition(".")[0] in parts]
        return [*listed, *nameless]

    @staticmethod
    def _agrees(site: Built, heads: Mapping[str, str]) -> bool:
        cls = heads[site.attribute or ""].rpartition(".")[2]
        return not cls or site.cls is None or cls == site.cls.rpartition(".")[2]

    def _may_be(self, site: Built, name: str) -> bool:
        """Say whether a site has all the names that stand beside this one, and its shape."""
        owner, _, last = name.rpartition(".")
        if not self.beside[owner] <= self._names(site):
            return False
        if last not in site.names():
            return True
        shape, seen = self.shapes[name], site.names()[last][1]
        return shape == seen if site.exact else len(shape) == len(seen)

    def _names(self, site: Built) -> set[str]:
        dropped = {n for n, new in self._renames_of(site.api).items() if not new}
        return {*site.names(), *dropped}

    def _renames_of(self, api: str) -> Mapping[str, str]:
        return {**BUILT_IN.get(api, {}), **self.renames.get(api, {})}

    def _outcome(self, site: Built, last: str) -> _Outcome:
        if last not in site.names():
            return _Outcome("", None)
        path, torch, mindspore = site.names()[last]
        return _Outcome(path, added_axis(torch, mindspore))

    def _kept_by_a_class(self, owner: str, last: str) -> set[_Outcome]:
        """Return that the name is unchanged, if one class itself holds all the names beside it."""
        known = self.classes.get(owner, "").rpartition(".")[2]
        held = [self._classes_with(name) for name in self.beside[owner]]
        sure = [one - {None} for one in held if None not in one]
        is_one = all(held) and (not sure or bool(set.intersection(*sure)))
        if known and not all(known in one or None in one for one in held):
            is_one = False
        return {_Outcome(last, None)} if is_one else set()

    def _classes_with(self, name: str) -> set[str | None]:
        """Return the classes that keep a parameter or buffer of this name; None is any class."""
        found = [one.cls for one in self.built if one.api in PLAIN and one.attribute == name]
        return {cls and cls.rpartition(".")[2] for cls in found}


def _joined(name: str, path: str) -> str:
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
