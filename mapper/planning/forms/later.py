"""Finds what a program does to a layer after it is built that MindSpore's would not follow."""

from __future__ import annotations

import ast

from mapper.analysis.layer_use_sites import Doing, LayerUse
from mapper.analysis.layer_uses import LayerUses, Wanted, settable
from mapper.model.plan import ManualError
from mapper.rulebook.schema import Kind, Rule

_WEIGHTS = frozenset(("weight", "bias"))
_MOST_SAID = 2  # remarks on one layer; more of them say the same


def check_later(uses: LayerUses, call: ast.expr, rule: Rule, is_wrapped: bool) -> list[str]:
    """Refuse a layer to which the program does something that MindSpore's would silently ignore.

    `is_wrapped`: the layer becomes one of several in a SequentialCell. Returned is what training
    code of other files does: it stays torch's, and what it hands to a Cell, or has a Cell's loss
    do, raises there; so it is rewritten by hand, and this is said for that.

    Raises:
        ManualError: the place, and what to do instead.
    """
    if rule.kind is not Kind.LAYER:
        return []
    said = list[str]()
    for use in uses.of(call, rule.torch.api, _wanted(rule, is_wrapped)):
        words = _words(use, uses.place(use), is_wrapped)
        if not uses.is_by_training(use):
            raise ManualError(words)
        said.append(words)
    return said[:_MOST_SAID]


def loud_uses(uses: LayerUses, call: ast.expr, rule: Rule) -> list[str]:
    """Return remarks on uses of a rewritten layer that raise for MindSpore's: no silent harm."""
    nothing = frozenset[str]()
    wanted = Wanted(nothing, nothing, _WEIGHTS, is_wrapped=False, inner=nothing, is_said=True)
    found = list[str]()
    for use in uses.of(call, rule.torch.api, wanted):
        place, text = uses.place(use), _short(use.text)
        if use.doing is Doing.WRAP:
            found.append(f"{place} wraps it (`{text}`), which has no counterpart in MindSpore")
        elif use.doing is Doing.START:
            found.append(
                f"{place} initialises it by torch (`{text}`), which does not work on a MindSpore "
                "layer: use mindspore.common.initializer"
            )
    return found[:_MOST_SAID]


def _short(text: str) -> str:
    return text if len(text) < 60 else f"{text[:57]}..."


def _wanted(rule: Rule, is_wrapped: bool) -> Wanted:
    parameters = frozenset(rule.torch.names)
    state = frozenset(rule.torch.state) or (_WEIGHTS if rule.strategy else frozenset[str]())
    renamed = {name for name in state if rule.parameters.get(name, name) != name}
    gone = {*renamed, *(parameters - {*rule.mindspore.names} - state)}
    return Wanted(
        set=settable(parameters, state) | (state if is_wrapped else renamed),
        asked=(parameters | state) if is_wrapped else frozenset(gone),
        changed=state,
        is_wrapped=is_wrapped,
        inner=state,
        names=(rule.torch.api.rpartition(".")[2], rule.mindspore.api.rpartition(".")[2]),
    )


def _words(use: LayerUse, place: str, is_wrapped: bool) -> str:
    """Say what the program does to a layer, where, and what to do instead."""
    text = _short(use.text)
    match use.doing:
        case Doing.SET if use.names <= _WEIGHTS and use.names:
            return (
                f"{place} sets `{text}`, which MindSpore's layer does not have under this name: "
                "set it where the layer is built, or on MindSpore's Parameter by set_data"
            )
        case Doing.SET:
            return (
                f"{place} sets an attribute of it (`{text}`), which a MindSpore layer ignores: "
                "build the layer with that value, then set nothing"
            )
        case Doing.CHANGE:
            return (
                f"{place} changes its weight in place (`{text}`), which changes nothing in "
                "MindSpore: assign by `set_data`"
            )
        case Doing.ASK if not is_wrapped:
            return (
                f"{place} asks for an attribute (`{text}`) that MindSpore's layer has under "
                "another name: ask for that one"
            )
        case Doing.WRAP:
            return (
                f"{place} wraps it (`{text}`), and it would become a SequentialCell, which has no "
                "weight: pad or crop in `forward` instead"
            )
        case Doing.TEST if use.is_by_name and not is_wrapped:
            return (
                f"{place} asks for the name of its class (`{text}`), which is another one in "
                "MindSpore: test by isinstance"
            )
        case Doing.LIST:
            return (
                f"{place} counts or names what is inside (`{text}`), and it would become several "
                "layers: pad or crop in `forward` instead"
            )
    return (
        f"{place} asks what it is (`{text}`), and it would become a SequentialCell, with the "
        "convolution inside: pad in `forward` instead, and build it without padding_mode"
    )
