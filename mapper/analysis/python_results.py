"""Tables of what Python's own functions and the methods of its types return."""

from __future__ import annotations

from collections.abc import Mapping

from mapper.analysis.kinds import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    NUMBER,
    OBJECT,
    STR,
    UNKNOWN,
    Kind,
    many,
    tuple_of,
    words,
)

STRS = many("list", STR)
TYPES: Mapping[str, type] = {
    "int": int, "float": float, "bool": bool, "str": str, "tuple": tuple, "size": tuple,
    "list": list, "dict": dict, "set": set, "None": type(None), "number": float,
}  # fmt: skip
"""The types behind kinds, to ask whether they have an attribute."""

BUILTINS: Mapping[str, Kind] = {
    **dict.fromkeys(("len", "ord", "hash", "id"), INT),
    **dict.fromkeys(
        ("isinstance", "issubclass", "hasattr", "callable", "any", "all", "bool"), BOOL
    ),
    **dict.fromkeys(("str", "repr", "chr", "format", "input", "hex", "bin"), STR),
    **dict.fromkeys(("print", "setattr", "delattr"), NONE),
    "int": INT,
    "float": FLOAT,
    "range": many("iterator", INT),
    "slice": OBJECT,
    "open": OBJECT,
    "object": OBJECT,
    "divmod": UNKNOWN,
}
"""Builtins whose result does not depend on what they are given."""

MODULES: Mapping[str, Kind] = {
    **dict.fromkeys(("math.ceil", "math.floor", "math.gcd", "math.prod"), INT),
    **dict.fromkeys(
        [f"math.{name}" for name in words("sqrt log log2 log10 exp sin cos tan tanh pow pi e inf")],
        FLOAT,
    ),
    **dict.fromkeys(("random.random", "random.uniform", "random.gauss", "time.time"), FLOAT),
    **dict.fromkeys(("random.randint", "random.randrange"), INT),
    **dict.fromkeys(
        [
            f"numpy.{name}"
            for name in words(
                """
                array zeros ones arange linspace concatenate stack asarray eye full zeros_like
                ones_like empty meshgrid
                """
            )
        ],
        Kind("object", "numpy.ndarray"),
    ),
    "numpy.meshgrid": UNKNOWN,
    "os.path.join": STR,
}
"""Functions and constants of Python's modules and of numpy."""

METHODS: Mapping[tuple[str, str], Kind] = {
    **{
        ("str", name): STR
        for name in words(
            """
            format join replace strip lstrip rstrip lower upper title capitalize removeprefix
            removesuffix
            """
        )
    },
    **{("str", name): BOOL for name in words("startswith endswith isdigit isalpha")},
    **{("str", name): INT for name in ("find", "index", "count", "rfind")},
    **{("str", name): STRS for name in ("split", "rsplit", "splitlines")},
    ("str", "partition"): tuple_of((STR, STR, STR)),
    ("str", "rpartition"): tuple_of((STR, STR, STR)),
    ("str", "encode"): OBJECT,
    **{
        (kind, name): INT
        for kind in ("list", "tuple", "size")
        for name in ("index", "count", "numel")
    },
    **{("list", name): NONE for name in ("sort", "reverse", "clear", "remove")},
    ("dict", "clear"): NONE,
    **{
        (kind, name): INT
        for kind in ("int", "bool")
        for name in ("bit_length", "conjugate", "real", "imag", "numerator", "denominator")
    },
    ("float", "is_integer"): BOOL,
    **{("float", name): FLOAT for name in ("conjugate", "real", "imag")},
    ("number", "conjugate"): NUMBER,
}
"""What methods and attributes of Python's own types give, where it does not depend on items."""


def has_attribute(kind: str, name: str) -> bool | None:
    """Say whether a kind has an attribute of this name; None where that is not known."""
    found = TYPES.get(kind)
    if found is None:
        return None
    return hasattr(found, name) or (kind == "size" and name == "numel")
