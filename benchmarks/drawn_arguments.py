"""Draws arguments for a class by the names of its parameters, for `finding.py`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

NUMBERS: tuple[tuple[str, str], ...] = (
    (r"eps", "1e-05"),
    (r"drop|prob\b|_p$|^p$|^rate|momentum", "0.0"),
    (r"^use_|^is_|^with_|bias|^no_|pretrained|bilinear|norm$|learn", "False"),
    (r"dim_head|head_dim", "8"),
    (r"heads?$|groups?$", "2"),
    (r"kernel|ksize|^k$|^ks$", "3"),
    (r"stride|^s$|dilation|^d$", "1"),
    (r"pad", "1"),
    (r"patch", "8"),
    (r"image|img|^size|resolution|width|height|input_size", "32"),
    (r"depth|layers?$|blocks?$|^n$|^num$|iter|steps|repeat|stacks", "2"),
    (r"class", "5"),
    (r"vocab|tokens?$|embeddings", "20"),
    (r"scale|factor|ratio|expan|multi|reduction|t$", "2"),
    (r"length|frames|seq", "8"),
)
PLURAL = re.compile(r"(s|list|cfg|config|channels|dims|filters|sizes|layers|blocks)$")
BLOCK = re.compile(r"block|bottleneck|unit")


def number(name: str, usual: str) -> str:
    """Return a value for a parameter's name."""
    return next((value for pattern, value in NUMBERS if re.search(pattern, name)), usual)


def drawn(cls: type, blocks: Sequence[str]) -> Iterator[str]:
    """Yield calls of a class with drawn values for what it needs; `blocks` are classes to give."""
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    wanted = [one for one in parameters if one.default is one.empty and one.kind not in kinds]
    made = []
    for widths in (("8",), ("16",), ("8", "16")):
        for lists in (False, True):
            for block in blocks[:2] or [""]:
                given, count = [], 0
                for one in wanted:
                    name, note = one.name.lower(), str(one.annotation)
                    if BLOCK.search(name) and block and not PLURAL.search(name):
                        value = block
                    elif "bool" in note:
                        value = "False"
                    elif lists and (
                        PLURAL.search(name) or re.search("list|tuple|sequence", note.lower())
                    ):
                        value = (
                            "[2, 2, 2, 2]" if re.search("layer|block|depth", name) else "[8, 16]"
                        )
                    else:
                        value = number(name, widths[min(count, len(widths) - 1)])
                        count += value in widths
                    given.append(f"{one.name}={value}")
                text = f"{cls.__name__}({', '.join(given)})"
                if text not in made:
                    made.append(text)
    yield from made
