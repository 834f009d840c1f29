"""Kinds of value, as they can be read off a file: Tensor, layer, int, tuple and others."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

MOST_PARTS = 6  # alternatives of one value; beyond them it is unknown
_MOST_ELEMENTS = 16  # of a tuple that are told apart
_DEEPEST = 4  # tuples within tuples; deeper ones are unknown


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of value.

    `name` is one of: Tensor, Parameter, layer, module list, int, float, bool, number, str, tuple,
    list, dict, set, size, None, dtype, device, function, class, module, object, iterator, super,
    union, never and unknown. `of` says which one: the qualified name of an API, or what the file
    defines. `elements` are those of a tuple, `item` is what a container holds beyond what was put
    into it at its `sites` (the displays and calls that made it). `parts` are a union's. `changes`
    tells a layer that works in place.
    """

    name: str
    of: object = None
    elements: tuple[Kind, ...] | None = None
    item: Kind | None = None
    sites: frozenset[ast.AST] = frozenset()
    parts: frozenset[Kind] = frozenset()
    changes: bool = False

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Kind) or self.name != other.name or self.of != other.of:
            return False  # decides nearly always, and quickly
        return (
            self.elements == other.elements
            and self.item == other.item
            and self.sites == other.sites
            and self.parts == other.parts
            and self.changes is other.changes
        )

    def __hash__(self) -> int:
        return hash((self.name, self.of, self.elements, self.parts))

    @property
    def is_tensor(self) -> bool:
        """Say whether it is surely a Tensor; a Parameter is one."""
        return self.name in ("Tensor", "Parameter")

    @property
    def is_layer(self) -> bool:
        """Say whether it is surely a module, whichever one."""
        if self.name == "union":
            return all(part.is_layer for part in self.parts)
        return self.name in ("layer", "module list")

    @property
    def is_known(self) -> bool:
        """Say whether it is of one kind."""
        return self.name not in ("unknown", "union", "never")

    def without(self, *names: str) -> Kind:
        """Return the kind without some alternatives."""
        if self.name in names:
            return NEVER
        if self.name != "union":
            return self
        return join(part for part in self.parts if part.name not in names)

    def alternatives(self) -> Iterable[Kind]:
        """Return the parts of a union, and of any other kind itself."""
        return self.parts or (self,)


NEVER = Kind("never")
UNKNOWN = Kind("unknown")
TENSOR = Kind("Tensor")
PARAMETER = Kind("Parameter")
INT, FLOAT, BOOL, NUMBER, STR, NONE, SIZE, DTYPE, DEVICE, OBJECT, FUNCTION = map(
    Kind,
    ("int", "float", "bool", "number", "str", "None", "size", "dtype", "device", "object",
     "function"),
)  # fmt: skip
LAYER = Kind("layer")
UNSEEN = Kind("layer", "torch.nn.Unseen")
"""A layer that a caller chose: it is taken to give a Tensor, its own or the one it was given."""
WEIGHT_NORMED = Kind("layer", "torch.nn.utils.weight_norm")
"""A layer whose weight is computed anew before each call: what is done to it has no effect."""
MAKER = Kind("function", ("makes", UNSEEN))
"""What makes such a layer: a parameter such as `norm_layer`."""
NUMBERS = frozenset(("int", "float", "bool", "number"))
_SEQUENCES = frozenset(("tuple", "list", "dict", "set", "iterator", "module list", "layer"))


def words(text: str) -> list[str]:
    """Return the words of a text; long tables of names are written in this form."""
    return text.split()


def tuple_of(elements: Iterable[Kind]) -> Kind:
    """Return the kind of a tuple with these elements."""
    every = tuple(elements)
    if len(every) > _MOST_ELEMENTS:
        return Kind("tuple", item=join(every))
    return Kind("tuple", elements=tuple(_capped(one, _DEEPEST) for one in every))


def many(name: str, item: Kind) -> Kind:
    """Return the kind of a container of unknown length."""
    return Kind(name, item=_capped(item, _DEEPEST))


def join(kinds: Iterable[Kind]) -> Kind:
    """Return what a value is that may be any of these."""
    found: list[Kind] = []
    every = list(kinds)
    if every and all(kind is every[0] for kind in every):
        return every[0]
    for kind in every:
        for part in kind.alternatives():
            if part.name == "never" or part in found:
                continue
            if part.name == "unknown":
                return UNKNOWN
            found = _added(found, part)
    if len(found) < 2:
        return found[0] if found else NEVER
    if len(found) <= MOST_PARTS:
        return Kind("union", parts=frozenset(found))
    if not all(one.is_layer for one in found):
        return UNKNOWN
    return Kind("layer", changes=any(one.changes for one in found))


def _added(found: list[Kind], part: Kind) -> list[Kind]:
    """Return the alternatives with one more, merged with the one of its kind."""
    for index, one in enumerate(found):
        if one.is_tensor and part.is_tensor:
            return [*found[:index], TENSOR, *found[index + 1 :]]
        if one.changes is not part.changes:
            continue
        if one.name == part.name and one.of == part.of and part.name in (*_SEQUENCES, "size"):
            return [*found[:index], _merged(one, part), *found[index + 1 :]]
    return [*found, part]


def _merged(one: Kind, other: Kind) -> Kind:
    left, right = one.elements, other.elements
    sites = one.sites | other.sites
    if left is not None and right is not None and len(left) == len(right):
        pairs = zip(left, right, strict=True)
        both = tuple(_capped(join(pair), _DEEPEST) for pair in pairs)
        return Kind(one.name, one.of, both, sites=sites)
    if one.name == "size":
        return SIZE
    items = [kind for kind in (one.item, other.item, *(left or ()), *(right or ())) if kind]
    item = _capped(join(items), _DEEPEST) if items else None
    return Kind(one.name, one.of, None, item, sites, changes=one.changes)


def _capped(kind: Kind, depth: int) -> Kind:
    """Return the kind with what is nested too deeply made unknown, so that repeated joins end."""
    if kind.elements is None and kind.item is None and not kind.parts:
        return kind
    if depth == 0:
        return UNKNOWN
    if kind.parts:
        return join(_capped(part, depth - 1) for part in kind.parts)
    elements = kind.elements
    if elements is not None:
        elements = tuple(_capped(one, depth - 1) for one in elements)
    item = _capped(kind.item, depth - 1) if kind.item is not None else None
    return Kind(kind.name, kind.of, elements, item, kind.sites, kind.parts, kind.changes)
