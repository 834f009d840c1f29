"""Binds a call to torch's signature as `inspect.signature(...).bind` would, or says why not."""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from mapper.model.record import record
from mapper.rulebook.schema import ParameterSpec


class BindError(Exception):
    """The call cannot be bound; the message says why and what a person can do."""


@record(frozen=True, slots=True)
class Argument:
    """One argument of a call: its value and its place among the arguments in source order.

    `unpacked`: it comes out of a `**` argument, which may hold several.
    """

    value: ast.expr
    index: int
    positional: bool = False
    unpacked: bool = False


class OpaqueError(BindError):
    """`*` or `**` arguments hide what the call gives."""


Unpack = Callable[[ast.expr], Mapping[str, ast.expr] | None]
"""What a `**` argument holds: its keys and how to read them, or None when that is not known."""


def bind(
    call: ast.Call,
    parameters: Sequence[ParameterSpec],
    unpack: Unpack = lambda node: None,
    same: Container[str] = (),
) -> Mapping[str, Argument]:
    """Map parameter names to the arguments that the call gives them.

    `same` are parameters that MindSpore has too: an unpacked argument may set them unseen. What a
    variadic parameter gets is bound as one tuple.

    Raises:
        BindError: `*args`, an opaque `**kwargs`, an unknown or repeated name, too many or too few
            arguments.
    """
    variadic = next((one.name for one in parameters if one.variadic), None)
    positional = [one.name for one in parameters if not (one.keyword_only or one.variadic)]
    plain = call.args[: len(positional)] if variadic else call.args
    if any(isinstance(argument, ast.Starred) for argument in plain):
        raise OpaqueError(_starred(call, parameters, same))
    if len(plain) > len(positional):
        raise BindError(f"takes at most {len(positional)} arguments, {len(call.args)} are given")
    names = [parameter.name for parameter in parameters]
    bound = {
        name: Argument(value, index, positional=True)
        for index, (name, value) in enumerate(zip(positional, plain, strict=False))
    }
    if variadic and len(call.args) > len(plain):
        several = call.args[len(plain) :]
        if any(one.variadic and "Tensor" in one.annotation for one in parameters):
            several = _tensors(several)
        bound[variadic] = Argument(ast.Tuple(several, ast.Load()), len(plain), positional=True)
    for name, argument in _keywords(call, parameters, unpack, same):
        if name not in names:
            raise BindError(f"takes no parameter `{name}`")
        if name in bound:
            raise BindError(f"`{name}` is given twice")
        if name == variadic:  # torch takes `size=(2, 3)` as well
            value = ast.Tuple([argument.value], ast.Load())
            argument = Argument(value, argument.index, unpacked=argument.unpacked)
        bound[name] = argument
    missing = [p.name for p in parameters if p.required and p.name not in bound]
    if missing:
        raise BindError(f"lacks {', '.join(f'`{name}`' for name in missing)}")
    return bound


def _tensors(given: list[ast.expr]) -> list[ast.expr]:
    """Return what stands for several Tensors: torch takes one list of them just as well.

    Raises:
        BindError: the one argument is neither a list that is written out nor has it a star.
    """
    match given:
        case [ast.List(elts=parts) | ast.Tuple(elts=parts)]:
            return parts
        case [ast.Starred()] | [_, _, *_]:
            return given
    text = ast.unparse(given[0])
    raise BindError(f"`{text}` may be a list of Tensors, which MindSpore refuses: write `*{text}`")


def _keywords(
    call: ast.Call,
    parameters: Sequence[ParameterSpec],
    unpack: Unpack,
    same: Container[str],
) -> Iterator[tuple[str, Argument]]:
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg is not None:
            yield keyword.arg, Argument(keyword.value, index)
            continue
        held = unpack(keyword.value)
        if held is None and not _names_hidden(call, parameters, ()):
            continue  # it can only be empty: torch knows no other parameter
        if held is None:
            hidden = _hidden(call, parameters, same, keyword.value)
            raise OpaqueError(f"{hidden}: write these arguments out")
        for name, value in held.items():
            yield name, Argument(value, index, unpacked=True)


def _starred(call: ast.Call, parameters: Sequence[ParameterSpec], same: Container[str]) -> str:
    words = "`*` arguments hide which parameter gets what"
    opaque = [keyword.value for keyword in call.keywords if keyword.arg is None]
    if not opaque:
        return f"{words}: write them out"
    hidden = _hidden(call, parameters, same, opaque[0])
    return f"{words}, and {hidden}: give the function around it parameters of its own for them"


def _hidden(
    call: ast.Call, parameters: Sequence[ParameterSpec], same: Container[str], unpacked: ast.expr
) -> str:
    """Say what an unpacked argument may hold that would be wrong as it is."""
    hidden = ", ".join(_names_hidden(call, parameters, same))
    return (
        f"`**{ast.unparse(unpacked)}` may hold {hidden}, which MindSpore spells or counts "
        "differently"
    )


def _names_hidden(
    call: ast.Call, parameters: Sequence[ParameterSpec], same: Container[str]
) -> list[str]:
    """Return the parameters that an unpacked argument may set, but for the same ones."""
    given = {keyword.arg for keyword in call.keywords}
    if not any(isinstance(argument, ast.Starred) for argument in call.args):
        given.update(p.name for p, _ in zip(parameters, call.args, strict=False))
    names = [p.name for p in parameters if not p.required and p.name not in given]
    return [name for name in names if name not in same]
