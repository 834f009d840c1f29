"""What is installed is what was tested: bounds, the lock, and actions by their hashes."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.shell import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DEPENDENCIES = {found.name: found for found in map(Requirement, PROJECT["dependencies"])}
TESTS = [Requirement(text) for text in PROJECT["optional-dependencies"]["test"]]
RECIPES = ("docs/ci.md", "docs/compare.md", "action.yml")
LOCK = (ROOT / ".ci" / "requirements.lock").read_text("utf-8")
LOCKED = {
    name: (Version(version), rest)
    for name, version, rest in re.findall(r"^([\w-]+)==(\S+)((?: \\\n.*)*)", LOCK, re.M)
}
LOWEST = dict(
    re.findall(r"^([\w-]+)==(\S+)$", (ROOT / ".ci" / "lowest.txt").read_text("utf-8"), re.M)
)


def bounds(name: str) -> dict[str, Version]:
    """Return the versions in a requirement by their operators."""
    return {part.operator: Version(part.version) for part in DEPENDENCIES[name].specifier}


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_the_lower_bound_is_the_version_that_ci_tests_as_the_lowest(name: str) -> None:
    assert Version(LOWEST[name]) == bounds(name)[">="]


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_the_upper_bound_is_next_to_the_version_that_ci_tests_as_the_highest(name: str) -> None:
    *upper, last = bounds(name)["<"].release
    tested = LOCKED[name][0].release
    assert (*upper, last - 1) == tested[: len(upper) + 1]


def test_ci_installs_the_lock_by_its_hashes_and_tests_the_lowest_versions() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "pip install -q --require-hashes -r .ci/requirements.lock" in script
    assert "PIP_CONSTRAINT=.ci/lowest.txt" in script
    assert set(LOWEST) == set(DEPENDENCIES)


@pytest.mark.parametrize("wanted", [*DEPENDENCIES.values(), *TESTS], ids=lambda r: r.name)
def test_the_lock_holds_a_version_that_is_admitted(wanted: Requirement) -> None:
    assert wanted.specifier.contains(LOCKED[wanted.name][0])


@pytest.mark.parametrize("name", LOCKED)
def test_everything_in_the_lock_has_its_hashes(name: str) -> None:
    assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", LOCKED[name][1])


def actions() -> list[str]:
    """Return what the recipes and our own action use."""
    texts = [(ROOT / name).read_text("utf-8") for name in RECIPES]
    return re.findall(r"\buses: (\S+)", "\n".join(texts))


def test_actions_of_others_are_named_by_the_hash_of_a_commit() -> None:
    others = {name for name in actions() if not name.startswith("OWNER/tm2ms@")}
    assert {name.partition("@")[0] for name in others} >= {"actions/checkout"}
    assert [name for name in others if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name)] == []
