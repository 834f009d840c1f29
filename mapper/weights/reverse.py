"""The way back: torch's names for the state of a migrated model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mapper.weights import weight_norm
from mapper.weights.checkpoint import TORCH, renamed
from mapper.weights.definitions import Definitions
from mapper.weights.exact import is_idle
from mapper.weights.namemap import Drop, Fill, NameMap, Pair, Problem, Trouble
from mapper.weights.names import BUILT_IN, NEUTRAL, STATISTICS, WIDER, added_axis
from mapper.weights.networks import Entry, Network, Shape
from mapper.weights.sites import KEPT, PLAIN, Built
from mapper.weights.static import match_report

COUNT = "num_batches_tracked"
BUFFER = "save_checkpoint(net) leaves buffers out: save_checkpoint(net.state_dict(), …) has them"
PADS = ("Pad", "ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a parameter may be in torch: the layer, and its name there."""

    owner: str
    last: str

    @property
    def name(self) -> str:
        return f"{self.owner}.{self.last}" if self.owner else self.last


def match_back(
    mindspore: Network,
    built: Iterable[Built] = (),
    neutral: frozenset[str] = frozenset(),
    names: Iterable[str] | None = None,
) -> NameMap:
    """Return the map for a state of this model, to torch's names.

    A convolution in a SequentialCell of padding layers may have been put there by the migration,
    or stand so in torch too. The report's sites (`built`) decide; without them both places are
    listed. `neutral` are the names whose values do nothing: untrained ones among them have no
    counterpart in torch. `names` are those of the state, where it may lack some: a parameter may
    stand under the name that it has itself, as MindSpore saves it, and once for several places.
    """
    sites = tuple(built)
    pairs: list[Pair] = []
    drops: dict[str, Drop] = {}
    fills: list[Fill] = []
    problems: list[Problem] = []
    held = _held(mindspore, names)
    for entry in mindspore.entries:
        name = held.get(entry.name, entry.name)
        if is_idle(entry, mindspore) and (entry.last in STATISTICS or name in neutral):
            fills.append(Fill(name, entry.shape, NEUTRAL[entry.last], entry.dtype))
            continue
        if name not in held.values() and entry.called is None:
            problems.append(Problem(Trouble.MISSING, entry.name, (), BUFFER))
            continue
        places = _places(entry, mindspore, sites)
        if len(places) > 1:
            message = "the layer around it may be torch's or the migration's: add --report"
            candidates = tuple(sorted(one.name for one in places))
            problems.append(Problem(Trouble.AMBIGUOUS, name, candidates, message))
            continue
        place = places.pop()
        pairs.append(replace(_pair(entry, place.name, mindspore), mindspore=name))
        if entry.last == "moving_mean":
            count = _Place(place.owner, COUNT).name
            drops[count] = Drop(count)
    return NameMap(tuple(pairs), tuple(drops.values()), tuple(fills), tuple(problems))


def _held(mindspore: Network, names: Iterable[str] | None) -> dict[str, str]:
    """Return under which name of a state each place finds its value; of all names by default.

    That is the place itself, or the parameter's own name where no other parameter has it.
    """
    known = set(mindspore.entry if names is None else names)
    found = {name: name for name in mindspore.entry if name in known}
    owners: dict[str, set[str]] = {}
    for entry in mindspore.entries:
        for name in (entry.name, entry.called or entry.name):
            owners.setdefault(name, set()).add(entry.identity or entry.name)
    for entry in mindspore.entries:
        if entry.called in known and len(owners[entry.called]) == 1:
            found.setdefault(entry.name, entry.called)
    return found


def _torch_api(mindspore: Network, path: str) -> str:
    name = mindspore.api(path).rpartition(".")[2]
    return f"torch.nn.{TORCH.get(name, name)}"


def _pair(entry: Entry, name: str, mindspore: Network) -> Pair:
    """Return both names of a parameter, with torch's shape."""
    axis = None
    shape = entry.shape
    is_wider = _torch_api(mindspore, entry.owner) in WIDER and entry.last == "weight"
    layer = mindspore.layer.get(entry.owner)
    is_part = layer is not None and layer.is_flat and entry.last in weight_norm.PARTS
    if (is_wider or is_part) and len(shape) == 4:
        axis = 2
        shape = (*shape[:2], *shape[3:])
    return Pair(name, entry.name, shape, entry.shape, axis)


def _places(entry: Entry, mindspore: Network, sites: tuple[Built, ...]) -> set[_Place]:
    parent, _, child = entry.owner.rpartition(".")
    for owner, below in ((parent, f"{child}.{entry.last}"), (entry.owner, entry.last)):
        table = BUILT_IN.get(_torch_api(mindspore, owner), {})
        back = [old for old, new in table.items() if new == below]
        if back:
            return {_Place(renamed(owner, mindspore), back[0])}
    here = _Place(renamed(entry.owner, mindspore), entry.last)
    if not parent or not _may_be_put_around(parent, entry.owner, mindspore):
        return {here}
    around = _Place(renamed(parent, mindspore), entry.last)
    said = {around for one in _at(sites, around.owner) if _has(one, f"{child}.{entry.last}")}
    said |= {here for one in _at(sites, here.owner) if _has(one, entry.last)}
    return said or {here, around}


def _at(sites: Iterable[Built], path: str) -> list[Built]:
    """Return the sites that may have built the layer at a path, by their attributes."""
    parts = path.split(".")
    tails = {".".join(parts[i:]) for i in range(len(parts))}
    return [one for one in sites if one.attribute in tails]


def _listed(sites: Iterable[Built], path: str) -> list[Built]:
    """Return the sites that may have built an element of a container at a path."""
    parts = path.split(".")
    return [one for one in sites if (one.attribute or "").partition(".")[0] in parts]


def _has(site: Built, path: str) -> bool:
    return any(one[0] == path for one in site.parameters.values())


def _may_be_put_around(path: str, owner: str, mindspore: Network) -> bool:
    """Say whether a layer may be one that the migration put around a convolution."""
    if mindspore.api(path).rpartition(".")[2] != "SequentialCell":
        return False
    inside = [one for one in mindspore.layers if one.path.rpartition(".")[0] == path]
    others = [one.api.rpartition(".")[2] for one in inside if one.path != owner]
    is_conv = mindspore.api(owner).rpartition(".")[2].startswith("Conv")
    return is_conv and bool(others) and all(o == "Cell" or o.startswith(PADS) for o in others)


def match_report_back(
    shapes: Mapping[str, Shape], built: Iterable[Built], known: Definitions | None = None
) -> NameMap:
    """Return the map for a state with these names of MindSpore's, by a report alone.

    `known` is as for `match_report`. What the report says of the names found must lead forward to
    the same names, or they are listed.
    """
    sites = tuple(built)
    found: dict[str, set[tuple[str, int | None]]] = {}
    drops: dict[str, Drop] = {}
    for name, shape in shapes.items():
        for place, axis, is_counted in _by_report(name, shape, sites):
            found.setdefault(name, set()).add((place.name, axis))
            if is_counted:
                count = _Place(place.owner, COUNT).name
                drops[count] = Drop(count)
    problems = []
    narrow: dict[str, Shape] = {}
    origin: dict[str, str] = {}
    for name, shape in shapes.items():
        places = found.get(name, set())
        if len(places) != 1:
            trouble = Trouble.AMBIGUOUS if places else Trouble.MISSING
            message = "several layers may hold it" if places else "no site of the report builds it"
            names = tuple(sorted(one for one, _ in places))
            problems.append(Problem(trouble, name, names, message))
            continue
        (torch, axis), = places  # fmt: skip
        narrow[torch] = shape if axis is None else (*shape[:axis], *shape[axis + 1 :])
        origin[torch] = name
    forward = match_report(narrow, sites, known)
    pairs = tuple(pair for pair in forward.pairs if origin[pair.torch] == pair.mindspore)
    sure = {pair.torch for pair in pairs}
    message = "the report leads to another name from there"
    unsure = (Problem(Trouble.AMBIGUOUS, origin[one], (one,), message)
              for one in narrow if one not in sure)  # fmt: skip
    kept = tuple(one for one in drops.values() if one.torch.removesuffix(COUNT) in
                 {name.rpartition(".")[0] + "." for name in sure})  # fmt: skip
    return NameMap(pairs, kept, (), (*problems, *unsure))


def _by_report(
    name: str, shape: Shape, sites: tuple[Built, ...]
) -> Iterable[tuple[_Place, int | None, bool]]:
    parts = name.split(".")
    for cut in range(len(parts)):
        owner, below = ".".join(parts[:cut]), ".".join(parts[cut:])
        named = _at(sites, owner) or _listed(sites, owner)
        if any(one.api in KEPT and not one.parameters for one in named):
            is_part = below in weight_norm.PARTS and len(shape) == 4
            is_wider = is_part and any(one.api in WIDER for one in named)
            yield _Place(owner, below), 2 if is_wider else None, False
        if cut == len(parts) - 1 and any(
            one.api in PLAIN and one.attribute == below for one in sites
        ):
            yield _Place(owner, below), None, False
        for site in named or [one for one in sites if one.attribute is None]:
            for last, (path, torch, mindspore) in site.names().items():
                if path == below and len(mindspore) == len(shape):
                    axis = added_axis(torch, mindspore)
                    yield _Place(owner, last), axis, "running_mean" in site.parameters
