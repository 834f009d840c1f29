"""Signatures as a rule file writes them, `(in_features: int, bias: bool = True)`, as parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mapper.rulebook.conditions import Version
from mapper.rulebook.schema import Earlier, ParameterSpec, Scalar


def parse_signature(
    text: str,
    since: Mapping[str, Version] | None = None,
    earlier: Mapping[str, Sequence[Earlier]] | None = None,
    undocumented: Sequence[str] = (),
) -> tuple[ParameterSpec, ...]:
    """Return the parameters of a signature, which is what stands in Python behind `def f`.

    Raises:
        ValueError: it is none, or a table speaks of a parameter that it does not have.
    """
    since, earlier = since or {}, earlier or {}
    found = tuple(
        ParameterSpec(
            name=argument.arg,
            annotation=ast.unparse(argument.annotation) if argument.annotation else "",
            keyword_only=keyword_only,
            variadic=variadic,
            since=since.get(argument.arg),
            earlier=tuple(earlier.get(argument.arg, ())),
            undocumented=argument.arg in undocumented,
            **_default(default, variadic=variadic),
        )
        for argument, default, keyword_only, variadic in _arguments(text)
    )
    names = [spec.name for spec in found]
    for name in [*since, *earlier, *undocumented]:
        if name not in names:
            raise ValueError(f"{name!r} is not in the signature {text}")
    return found


def default_value(text: str) -> Scalar | None:
    """Return the value of a default, None for None.

    Raises:
        ValueError: it is no literal.
    """
    value = ast.literal_eval(text)
    if value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError(f"expected a plain value, got {text}")
    return value


def _arguments(text: str) -> Iterator[tuple[ast.arg, ast.expr | None, bool, bool]]:
    """Yield each parameter with its default, and whether it is keyword-only or variadic."""
    try:
        (function,) = ast.parse(f"def f{text}: pass").body
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"expected a signature such as '(size: int = 1)', got {text!r}") from error
    if not isinstance(function, ast.FunctionDef) or not text.startswith("("):
        raise ValueError(f"expected a signature such as '(size: int = 1)', got {text!r}")
    every = function.args
    plain = [*every.posonlyargs, *every.args]
    missing: list[ast.expr | None] = [None] * (len(plain) - len(every.defaults))
    for argument, default in zip(plain, [*missing, *every.defaults], strict=True):
        yield argument, default, False, False
    if every.vararg:
        yield every.vararg, None, False, True
    for argument, default in zip(every.kwonlyargs, every.kw_defaults, strict=True):
        yield argument, default, True, False
    if every.kwarg:
        raise ValueError(f"`**{every.kwarg.arg}` cannot be bound: write the parameters out")


def _default(node: ast.expr | None, *, variadic: bool) -> dict[str, Any]:
    """Return which of ParameterSpec's fields say the default."""
    if variadic:
        return {"default_code": "()"}
    if node is None:
        return {"required": True}
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return {"default_code": ast.unparse(node)}
    if value is None:
        return {"default_none": True}
    if isinstance(value, str | int | float | bool):
        return {"default": value}
    return {"default_code": ast.unparse(node)}
