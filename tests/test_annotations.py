"""Annotations of signatures: which values they accept, and of which kinds these are."""

from __future__ import annotations

import numpy as np
import pytest

from mapper.proving.annotations import AnnotationError, accepts, kinds, literals

ACCEPTED: dict[str, tuple[list[object], list[object]]] = {
    "int": ([3], [1.5, True, "a", None, (1, 2)]),
    "float": ([1.5, 3], [True, "a", None]),
    "strict_float": ([1.5], [3, True, None]),
    "strict_float | None": ([1.5, None], [3]),
    "bool": ([True], [1, 0.0]),
    "int | tuple[int, int]": ([3, (1, 2)], [(1, 2, 3), (1.5, 2), [1, 2]]),
    "Sequence[int]": ([(1, 2), [1, 2, 3]], [3, ("a",)]),
    "Literal['mean', 'sum']": (["mean", "sum"], ["none", 1]),
    "Literal[1, 2]": ([1, 2], [3, 1.0, True]),
    "Tensor": ([np.zeros(2)], [1, [1.0]]),
    "Any": ([1, "a", None, (1,)], []),
    "": ([1, "a", None], []),
}


@pytest.mark.parametrize("annotation", ACCEPTED)
def test_it_accepts_these_values_and_no_others(annotation: str) -> None:
    taken, refused = ACCEPTED[annotation]
    assert [one for one in taken if not accepts(annotation, one)] == []
    assert [one for one in refused if accepts(annotation, one)] == []


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        ("int | None", ("int", "None")), ("strict_float", ("float",)), ("axis", ("int",)),
        ("Literal[1, 'a']", ("int", "str")), ("Sequence[int]", ("tuple", "list")), ("", ()),
    ],
)  # fmt: skip
def test_the_kinds_that_it_names(annotation: str, found: tuple[str, ...]) -> None:
    assert kinds(annotation) == found


def test_literals_are_its_only_values() -> None:
    assert literals("Literal['mean', 'sum'] | None") == ("mean", "sum")
    assert literals("str") == ()


@pytest.mark.parametrize("annotation", ["flaot", "int |", "list[", "torch.device(0)"])
def test_what_is_not_understood_is_an_error(annotation: str) -> None:
    with pytest.raises(AnnotationError):
        kinds(annotation)
