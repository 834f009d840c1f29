"""Puts parts of a proof into words: the values of a trial, what a symbol is assumed to be."""

from __future__ import annotations

from collections.abc import Sequence

from mapper.proving.annotations import kinds
from mapper.proving.sampling import Seen, Trial

_WORDS = {
    "tuple": "a tuple",
    "list": "a list",
    "tuple of one": "a tuple of one",
    "str": "a string",
    "int": "an int",
    "float": "a float",
    "bool": "True or False",
    "Tensor": "a tensor",
}


def given(trial: Trial) -> str:
    """Return the values of a trial as an ending for a message."""
    if not trial.values:
        return ""
    return " with " + ", ".join(f"{name} = {value!r}" for name, value in trial.values.items())


def listed(words: Sequence[str]) -> str:
    """Return `a, b or c`."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def kind_words(kind: str) -> str:
    """Return a kind of value with its article."""
    return _WORDS.get(kind, kind)


def assumption(name: str, annotation: str, raising: set[str], seen: Seen | None) -> str | None:
    """Return what a symbol is assumed to be; None where the file itself says so."""
    found = seen.kinds if seen else frozenset[str]()
    if found and "any" not in found:
        raising = raising & found
    if not raising:
        return None
    fine = [kind for kind in kinds(annotation) if kind not in raising]
    words = listed([kind_words(kind) for kind in sorted(raising)])
    return f"`{name}` is {listed([*map(kind_words, fine)])} ({words} raises in MindSpore)"
