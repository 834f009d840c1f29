"""What a SequentialCell would skip: children that a program gives it as attributes.

`torch.nn.Sequential` runs whatever was set on it; a SequentialCell runs the children it was built
with or that were appended, so that one filled by `add_module`, or with a child replaced by
`block.conv = …`, computes something else without a word.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

from mapper.analysis.cells import ClassInfo
from mapper.analysis.inference import Inference
from mapper.analysis.kinds import Kind
from mapper.analysis.walk import walk
from mapper.planning.forms.class_checks import Problem

# MindSpore builds the names of parameters from those of children, and takes these characters only;
# `{}` and `%` are places of a format that the program fills
_ILLEGAL = re.compile(r"[^\w.\-{}%]", re.ASCII)

_SKIPPED = (
    "`{}` gives a layer to what {} a Sequential: MindSpore skips children that are set by "
    "attribute: collect them first and write `nn.Sequential(OrderedDict(…))`"
)


def of_containers(
    tree: ast.AST, inference: Inference, gathered: Collection[ast.Call] = ()
) -> Iterator[Problem]:
    """Yield the lines of a file where a Sequential gets a child by attribute, and why it counts.

    The classes that derive from Sequential are looked at with their methods (`class_checks`);
    `gathered` are the calls that become items of an OrderedDict.
    """
    for node in walk(tree):
        name: ast.expr | None = None
        match node:
            case ast.Call(
                func=ast.Attribute(value=owner, attr="add_module" | "register_module"),
                args=[name, value, *_],
            ):
                is_added = True  # a module, whatever else is known of it
            case ast.Call(func=ast.Name(id="setattr"), args=[owner, name, value]):
                is_added = False
            case ast.Assign(targets=[ast.Attribute(value=owner)], value=value):
                is_added = False
            case _:
                continue
        layer, kind = inference.kind(value), inference.kind(owner)
        if not (is_added or _may_be_layer(layer)):
            continue
        if name is not None:
            yield from _named(node, name)
        if node in gathered:
            continue
        if kind.name == "unknown" and (is_added or layer.is_layer) and not _is_self(owner):
            yield node.lineno, _SKIPPED.format(ast.unparse(node)[:60], "may be")
        elif any(map(_is_sequential, kind.alternatives())):
            yield node.lineno, _SKIPPED.format(ast.unparse(node)[:60], "is")


def _is_self(owner: ast.expr) -> bool:
    return isinstance(owner, ast.Name) and owner.id == "self"


def _may_be_layer(kind: Kind) -> bool:
    return any(part.is_layer or part.name == "unknown" for part in kind.alternatives())


def _is_sequential(kind: Kind) -> bool:
    if isinstance(kind.of, ClassInfo):
        return "torch.nn.Sequential" in kind.of.apis()
    return kind.is_layer and kind.of == "torch.nn.Sequential"


def _named(node: ast.stmt | ast.expr, name: ast.expr) -> Iterator[Problem]:
    """Yield that a child's name is none that MindSpore takes for a parameter."""
    text = "".join(
        part.value
        for part in walk(name)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )
    if found := _ILLEGAL.search(text):
        yield (
            node.lineno,
            f"the name of a child has {found[0]!r}, which raises in MindSpore: name it with "
            "letters, digits, `_`, `-` and `.`",
        )
