"""The signatures in the rules are those of the installed frameworks."""

from __future__ import annotations

import ast
import importlib
import inspect

import pytest

from mapper.rulebook.loader import load
from mapper.rulebook.schema import Kind, ParameterSpec, Rule

pytestmark = pytest.mark.oracle

RULES = load().rules


def resolve(qualified_name: str) -> object:
    module, _, name = qualified_name.rpartition(".")
    return getattr(pytest.importorskip(module), name)


def parameters(api: object) -> list[tuple[str, object]]:
    target = api.__init__ if inspect.isclass(api) else api
    found = inspect.signature(target).parameters.values()  # type: ignore[arg-type]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found):
        pytest.skip("the signature says nothing: (*args, **kwargs)")
    return [(p.name, default(p)) for p in found if p.name != "self"]


def default(parameter: inspect.Parameter) -> object:
    """Return a default; that of a function goes by its name (`activation=relu`)."""
    value = parameter.default
    return value.__name__ if inspect.isfunction(value) else value


def declared(spec: ParameterSpec) -> tuple[str, object]:
    if spec.required:
        return spec.name, inspect.Parameter.empty
    if spec.default_code.startswith("("):
        return spec.name, ast.literal_eval(spec.default_code)
    if spec.default_code:
        module, _, name = spec.default_code.rpartition(".")
        return spec.name, getattr(importlib.import_module(module), name)
    return spec.name, spec.default


@pytest.mark.parametrize("rule", [r for r in RULES if r.kind is Kind.LAYER], ids=lambda r: r.id)
def test_torch(rule: Rule) -> None:
    api = resolve(rule.torch.api)
    assert parameters(api) == [declared(spec) for spec in rule.torch.parameters]
    assert all(resolve(spelling) is api for spelling in rule.torch.spellings)


CALLED = (Kind.LAYER, Kind.FUNCTION, Kind.SIGNATURE)


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r.mindspore.api and r.kind in CALLED], ids=lambda r: r.id
)
def test_mindspore(rule: Rule) -> None:
    found = parameters(resolve(rule.mindspore.api))
    assert found == [declared(spec) for spec in rule.mindspore.parameters]
