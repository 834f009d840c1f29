"""Records are as dataclasses are: compared, hashed, shown, replaced and pickled by their values."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest

from mapper.model.record import record


@record(frozen=True, slots=True)
class Point:
    x: int
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plain:
    x: int
    names: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    ("one", "other", "is_equal"),
    [
        pytest.param(Point(1), Point(1), True, id="the same values"),
        pytest.param(Point(1), Point(2), False, id="another value"),
        pytest.param(Point(1), Plain(1), False, id="another class with the same values"),
        pytest.param(Point(1), (1, []), False, id="a tuple of the values"),
    ],
)
def test_records_are_equal_by_class_and_values(one: Any, other: Any, is_equal: bool) -> None:
    assert (one == other) is is_equal
    assert (one != other) is not is_equal


@record(frozen=True, slots=True)
class Key:
    name: str
    size: tuple[int, ...]


@record(frozen=True, slots=True)
class Named(Key):
    kind: str = ""


@pytest.mark.parametrize(
    ("one", "other", "is_equal"),
    [
        pytest.param(Named("a", (1,), "k"), Named("a", (1,), "k"), True, id="the same values"),
        pytest.param(Named("a", (1,), "k"), Named("b", (1,), "k"), False, id="inherited differs"),
        pytest.param(Named("a", (1,), "k"), Named("a", (1,), "l"), False, id="its own differs"),
        pytest.param(Named("a", (1,)), Key("a", (1,)), False, id="the base with the same values"),
    ],
)
def test_a_record_that_inherits_is_compared_by_all_its_fields(
    one: Any, other: Any, is_equal: bool
) -> None:
    assert (one == other) is is_equal
    assert (len({one, other}) == 1) is is_equal


def test_a_record_that_inherits_shows_all_its_fields() -> None:
    assert repr(Named("a", (1,), "k")) == "Named(name='a', size=(1,), kind='k')"


def test_equal_records_are_one_key() -> None:
    assert len({Key("a", (1,)), Key("a", (1,)), Key("a", (2,))}) == 2


def test_a_record_that_holds_a_list_is_no_key() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point(1))


def test_a_record_is_shown_as_a_dataclass_is() -> None:
    assert repr(Point(1, ["a"])) == repr(Plain(1, ["a"])).replace("Plain", "Point")


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda one: pickle.loads(pickle.dumps(one)), id="pickled"),
        pytest.param(copy.deepcopy, id="copied"),
        pytest.param(replace, id="replaced"),
    ],
)
def test_a_record_survives_being(again: Any) -> None:
    assert again(Point(1, ["a"])) == Point(1, ["a"])


def test_a_record_has_fields_and_no_others() -> None:
    assert [one.name for one in fields(Point)] == ["x", "names"]
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]
