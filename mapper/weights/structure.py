"""What each layer of a checkpoint is, by what the report says that classes hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field

from mapper.weights.definitions import (
    ANY,
    DICT,
    LIST,
    SEQUENTIAL,
    UNKNOWN,
    Class,
    Definitions,
    Held,
)
from mapper.weights.sites import PLAIN, Built

WEIGHTED = ("Conv", "Linear", "Bilinear", "Embedding", "PReLU", "LSTM", "GRU", "RNN",
            "MultiheadAttention", "weight_norm")  # fmt: skip
"""Layers that have a weight whatever their arguments are, by the beginning of their names."""
DEEP = ("MultiheadAttention", "Transformer", "weight_norm", "spectral_norm")
"""What has layers inside."""
INSIDE = frozenset({"self_attn", "in_proj_weight", "in_proj_bias", "out_proj", "parametrizations",
                    "weight_g"})  # fmt: skip
"""By which names these show."""
COUNT = "num_batches_tracked"
GAP = 8
"""How many layers of a list, one behind the other, may be without weights."""
STEPS = 50
"""How many values are followed to what they stand for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A name that does not belong where it is; or one that should be there (`is_absent`)."""

    name: str
    message: str
    is_absent: bool = False


@dataclass(frozen=True, slots=True)
class _Option:
    """What may be at a path: a value or class, and of which instance's attribute."""

    value: Held | Class
    cls: Class | None = None
    attribute: str = ""
    home: str = ""


@dataclass
class Structure:
    """Goes from the root of a checkpoint to its names, and says what belongs to what.

    `classes` are the classes that may be at a path, and those that they derive from. `kinds` are
    the layers of torch's that may be at a path, where nothing else may be. `same` leads from a path
    to that at which the layer has another name. `reached` are the definitions that the model's own
    class leads to.
    """

    known: Definitions
    names: frozenset[str]
    built: tuple[Built, ...]
    classes: dict[str, frozenset[str]] = field(default_factory=dict)
    kinds: dict[str, frozenset[str]] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    children: dict[str, set[str]] = field(default_factory=dict)
    reached: Set[str] = frozenset()
    places: dict[tuple[Class, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find all that is known; nothing is, where the report says nothing of classes."""
        for name in self.names:
            parts = name.split(".")
            for end in range(len(parts)):
                self.children.setdefault(".".join(parts[:end]), set()).add(parts[end])
        if self.names and self.known.classes:
            for name in self.names & self.children.keys():
                self.faults += _wrong(name, self.children[name], f"{name} is a parameter")
            self._visit(self._start(), [_Option(UNKNOWN)])
            self._compare()

    def _start(self) -> str:
        """Return the path of the model: it may be in a wrapper that the report does not have."""
        path = ""
        while len(inside := self.children[path]) == 1:
            (only,) = inside
            below = _joined(path, only)
            is_held = any(self._holds(cls, only) for cls in self.known.every)
            if is_held or only.isdecimal() or below in self.names:
                break
            path = below
        return path

    def _compare(self) -> None:
        """Note what a layer lacks that the same attribute has in other places of its class."""
        for (cls, attribute), paths in self.places.items():
            every = {name for path in paths for name in self._leaves(path) - {COUNT}}
            for path in paths:
                message = f"{cls.name}.{attribute} has it in other places"
                self.faults += [Fault(_joined(path, one), message, True)
                                for one in sorted(every - self._leaves(path))]  # fmt: skip

    # --- from a path to those below -----------------------------------------------------------

    def _visit(self, path: str, options: list[_Option]) -> None:
        self._note_alias(path, options)
        (cls, attribute), *more = {(one.cls, one.attribute): None for one in options}
        is_layer = self.children.get(path, set()) == self._leaves(path) != set()
        if cls is not None and attribute and not more and is_layer:
            self.places.setdefault((cls, attribute), []).append(path)
        found = (way for one in options for way in self._resolved(one))
        options = [way for one in dict.fromkeys(found) for way in self._guessed(path, one)]
        faults = {one: self._faults(path, one) for one in options}
        good = [one for one in options if not faults[one]]
        if not good:
            nearest = min(options, key=lambda one: len(faults[one]))
            self.faults += faults[nearest]
            good = [nearest]
        self._note(path, good)
        self.reached = self.reached or self.known.reached(self.classes.get(path, ()))
        wrong = {one.name for one in self.faults}
        right = (one for one in self.children.get(path, ()) if _joined(path, one) not in wrong)
        for child in sorted(right):
            ways = [way for one in good for way in self._child(path, one, child)]
            if ways:
                self._visit(_joined(path, child), ways)

    def _resolved(self, option: _Option) -> Iterator[_Option]:
        """Yield what a value stands for: what a function returns, or another attribute is."""
        seen = [option]
        for one in seen:
            more = self._behind(one)
            if more is None or len(seen) > STEPS:
                yield one if more is None else _Option(UNKNOWN)
            else:
                seen += [new for new in more or [_Option(UNKNOWN)] if new not in seen]

    def _behind(self, option: _Option) -> list[_Option] | None:
        """Return what a name stands for; None for what stands for itself."""
        value, cls = option.value, option.cls
        if not isinstance(value, str) or value in ("", UNKNOWN) or value.startswith("torch."):
            return None
        if value.startswith("self.") and cls:
            name = value.removeprefix("self.")
            attribute = option.attribute if name.endswith("()") else name
            return [_Option(one, cls, attribute, option.home)
                    for one in self.known.held(cls, name)]  # fmt: skip
        named = [_Option(one) for one in self.known.classes.get(value, ())]
        return [*named, *map(_Option, self.known.returns.get(value, ()))]

    def _guessed(self, path: str, option: _Option) -> list[_Option]:
        """Return what may be there where the report does not say it: the classes that fit."""
        if option.value != UNKNOWN or path in self.names or self._is_list(path):
            return [option]
        classes = [one for one in self.known.every if one.name in self.reached] or self.known.every
        found = [_Option(cls) for cls in classes if not self._class_faults(path, cls)]
        if self._is_layer(path) or self.children[path] & INSIDE or self._is_dict(path):
            return [*found, option]
        nearest = min(classes, key=lambda cls: len(self._class_faults(path, cls)))
        return found or [_Option(nearest)]

    def _is_dict(self, path: str) -> bool:
        """Say whether layers are named there, and not by the attributes of a class."""
        is_named = any(self._holds(cls, name) for cls in self.known.every
                       for name in self.children[path])  # fmt: skip
        return self.known.has_dicts and not is_named and not self._leaves(path)

    def _note(self, path: str, options: list[_Option]) -> None:
        values = [one.value for one in options if one.value != ""]
        classes = [one for one in values if isinstance(one, Class)]
        if classes and len(classes) == len(values):
            lines = (above for one in classes for above in self.known.line(one))
            self.classes[path] = frozenset(one.name for one in lines)
        kinds = [one for one in values if isinstance(one, str) and one.startswith("torch.nn.")]
        if kinds and len(kinds) == len(values):
            self.kinds[path] = frozenset(one.rpartition(".")[2] for one in kinds)

    def _note_alias(self, path: str, options: list[_Option]) -> None:
        """Note where a layer has its first name, if it has another one here."""
        (only, *more), value = options, str(options[0].value)
        if not more and value.startswith("self.") and not value.endswith("()"):
            self.same[path] = _joined(only.home, value.removeprefix("self."))

    def _child(self, path: str, option: _Option, child: str) -> Iterator[_Option]:
        """Yield what may be at a child of a path."""
        value = option.value
        if isinstance(value, tuple) and value[:1] == (ANY,):
            yield from (_Option(one, option.cls, "", option.home) for one in value[1:])
        elif isinstance(value, tuple):
            attribute = f"{option.attribute}.{child}"
            yield _Option(value[int(child)], option.cls, attribute, option.home)
        elif isinstance(value, Class):
            for one in self.known.held(value, child):
                yield _Option(one, value, child, path)
        elif value in (UNKNOWN, SEQUENTIAL, LIST, DICT):
            yield _Option(UNKNOWN)

    # --- does something belong at a path? -----------------------------------------------------

    def _faults(self, path: str, option: _Option) -> list[Fault]:
        """Return what is wrong at a path if this is there."""
        value, inside = option.value, self.children.get(path, set())
        if isinstance(value, Class):
            return self._class_faults(path, value)
        if isinstance(value, tuple) and value[:1] != (ANY,):
            return [*self._list_faults(path, option, value)]
        kind = value.rpartition(".")[2] if isinstance(value, str) else "a list"
        if path in self.names:
            is_kept = value == UNKNOWN or value in PLAIN
            return [] if is_kept else [Fault(path, f"the report has {kind or 'no layer'} there")]
        message = f"the report builds {kind or 'no layer'} there"
        is_list = isinstance(value, tuple) or value in (UNKNOWN, SEQUENTIAL, LIST)
        if is_list and self._is_list(path):
            parts = [_Option(one, option.cls) for one in value[1:]] if kind == "a list" else []
            are_full = bool(parts) and all(self._has_weights(one, STEPS) for one in parts)
            return self._gaps(path, 0 if are_full else GAP)
        if kind == "MultiheadAttention" and not inside & {"in_proj_weight", "q_proj_weight"}:
            return [Fault(_joined(path, "in_proj_weight"), f"{kind} always has it", True)]
        if value == UNKNOWN or kind.startswith(DEEP):
            return []
        if isinstance(value, tuple) or value in (SEQUENTIAL, DICT):
            return _wrong(path, self._leaves(path), message)
        is_layer = value.startswith("torch.nn.") and value not in (LIST, *PLAIN)
        return _wrong(path, inside - self._leaves(path) if is_layer else inside, message)

    def _class_faults(self, path: str, cls: Class) -> list[Fault]:
        if path in self.names:
            return [Fault(path, f"the report has {cls.name} there")]
        inside = self.children.get(path, set())
        strange = [one for one in inside if not self._holds(cls, one)]
        lacking = sorted({*self._required(cls)} - inside)
        message = f"{cls.name} always has it"
        return [*_wrong(path, strange, f"{cls.name} has no such attribute"),
                *(Fault(_joined(path, one), message, True) for one in lacking)]  # fmt: skip

    def _list_faults(self, path: str, option: _Option, values: tuple[Held, ...]) -> Iterator[Fault]:
        inside = self.children.get(path, set())
        wrong = [one for one in inside if one not in map(str, range(len(values)))]
        yield from _wrong(path, wrong, f"the report has {len(values)} layers there")
        for index, value in enumerate(values):
            part = _Option(value, option.cls, f"{option.attribute}.{index}", option.home)
            if str(index) not in inside and self._has_weights(part, STEPS):
                yield Fault(_joined(path, str(index)), "its class always builds it", True)

    def _gaps(self, path: str, allowed: int) -> list[Fault]:
        """Return positions that are no numbers of a list's, or too far behind the one before."""
        wrong = [one for one in self.children[path] if str(int(one)) != one]
        last = -1
        for place in sorted(int(one) for one in self.children[path] if one not in wrong):
            if place - last > allowed + 1 or wrong:
                wrong.append(str(place))
            last = place
        return _wrong(path, wrong, "the places before it have no weights")

    def _holds(self, cls: Class, name: str) -> bool:
        return any(value != "" for value in self.known.held(cls, name))

    def _required(self, cls: Class, depth: int = STEPS) -> Iterator[str]:
        """Yield the attributes in which an instance has weights, whatever happens."""
        for one in self.known.line(cls) if depth > 0 else ():
            for name in one.always:
                values = self.known.held(cls, name)
                if values and all(self._has_weights(_Option(value, cls, name), depth - 10)
                                  for value in values):  # fmt: skip
                    yield name

    def _has_weights(self, option: _Option, depth: int) -> bool:
        """Say whether something has weights for sure."""
        value = option.value
        if isinstance(value, Class):
            return any(self._required(value, depth))
        if isinstance(value, tuple) and value[:1] == (ANY,):
            return False
        if isinstance(value, tuple):
            parts = (_Option(one, option.cls, f"{option.attribute}.{index}")
                     for index, one in enumerate(value))  # fmt: skip
            return any(self._has_weights(one, depth) for one in parts)
        ways = list(self._resolved(option))
        if ways != [option]:
            return all(self._has_weights(one, depth - 1) for one in ways) if depth > 0 else False
        if value in PLAIN:
            return True
        if value.startswith("torch.nn.") and value.rpartition(".")[2].startswith(WEIGHTED):
            return True
        home, kind = option.cls.name if option.cls else "", value.rpartition(".")[2]
        inside = [one for one in self.built if one.home == home and one.kind == kind]
        sites = [one for one in inside if one.attribute == option.attribute] or inside
        return bool(home) and bool(sites) and all(one.required() for one in sites)

    def _leaves(self, path: str) -> set[str]:
        return {one for one in self.children.get(path, ()) if _joined(path, one) in self.names}

    def _is_list(self, path: str) -> bool:
        inside = self.children.get(path, set())
        return bool(inside) and all(map(str.isdecimal, inside)) and not self._leaves(path)

    def _is_layer(self, path: str) -> bool:
        """Say whether a layer of the framework may have all that is at a path."""
        inside = self.children[path]
        return inside <= self._leaves(path) and any(
            inside <= {*one.names(), COUNT} for one in self.built
        )


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(path: str, children: Iterable[str], message: str) -> list[Fault]:
    return [Fault(_joined(path, one), message) for one in sorted(children)]
