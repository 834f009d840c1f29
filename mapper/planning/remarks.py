"""What stands around a migrated call and needs a look: wrappers, and reads of attributes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from mapper.analysis.resolve import Names, Reference
from mapper.analysis.torch_names import is_torch

_WRAPPERS = ("weight_norm", "spectral_norm")
_METHODS = {
    "to": "placement and dtype belong to the context and the cell in MindSpore",
    "cuda": "placement belongs to the context in MindSpore",
    "cpu": "placement belongs to the context in MindSpore",
    "requires_grad_": "set `requires_grad` on the cell's parameters in MindSpore",
    "eval": "it is `set_train(False)` in MindSpore",
    "train": "it is `set_train()` in MindSpore",
}
_INSIDE = ("weight", "bias", "stride", "dilation", "kernel_size")
_CHANGED = {
    "groups": "which is `group` in MindSpore",
    "padding": "which counts both sides of each axis in MindSpore",
    "padding_mode": "which MindSpore does not have",
    "output_padding": "which means something else in MindSpore",
}
# the look-behind comes after `self`, since `re` is quick to find a literal first
_READ = re.compile(rf"self(?<!\wself)\.(\w+)\.({'|'.join([*_INSIDE, *_CHANGED])})\b")

Reads = Mapping[str, list[tuple[int, str]]]
"""Attribute of self -> the lines that read something of it, and what."""


def attribute_reads(text: str) -> Reads:
    """Find `self.conv.weight` and the like in a module's text."""
    found: dict[str, list[tuple[int, str]]] = {}
    line, at = 1, 0
    for match in _READ.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        found.setdefault(match[1], []).append((line, match[2]))
    return found


def remarks(reference: Reference, names: Names, reads: Reads, layer: int | None) -> list[str]:
    """Return in words what a person should look at around a call that is rewritten.

    `layer` is the convolution's place when the call became a SequentialCell.
    """
    found = [] if names.is_whole else list(_wrappers(reference, names))
    attribute = _attribute(reference)
    for line, name in reads.get(attribute or "", ()):
        if layer is not None and name in _INSIDE:
            moved = f"self.{attribute}[{layer}].{name}"
            found.append(f"line {line} reads `self.{attribute}.{name}`, which is now `{moved}`")
        elif name in _CHANGED:
            found.append(f"line {line} reads `self.{attribute}.{name}`, {_CHANGED[name]}")
    return found


def _wrappers(reference: Reference, names: Names) -> Iterator[str]:
    """Yield what is wrapped directly around the call: `weight_norm(…)`, `….to(device)`."""
    inner: ast.AST = reference.call or reference.node
    for parent in reference.parents[1:]:
        match parent:
            case ast.Call(func=func, args=[first, *_]) if first is inner:
                meaning = names.meaning(func, reference.scope)
                name = meaning.name if meaning else ""
                if is_torch(name) and name.rpartition(".")[2] in _WRAPPERS:
                    yield f"`{ast.unparse(func)}` around it has no counterpart in MindSpore"
            case ast.Attribute(attr=attr) if attr in _METHODS:
                yield f"`.{attr}()` behind it: {_METHODS[attr]}"
            case ast.Attribute() | ast.Call():
                pass
            case _:
                return
        inner = parent


def _attribute(reference: Reference) -> str | None:
    """Return the X of `self.X = <call>`."""
    match reference.parents[1] if reference.call else None:
        case ast.Assign(
            targets=[ast.Attribute(value=ast.Name(id="self"), attr=attr)], value=value
        ) if value is reference.call:
            return attr
    return None
