"""Files that try to break the tool: each is bounded in time and memory, and ends in words."""

from __future__ import annotations

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
DEEP = 10_000


def layer(arguments: str) -> str:
    return f"c = nn.Conv2d({arguments})"


# What is left to a person, whatever it costs Python.
MANUAL = {
    "a nan that nobody computes": layer("3, 8, float('nan'), padding=float('nan')"),
    "a power tower": layer("3, 8, 9**9**9**9"),
    "a huge shift": layer("3, 8, 1 << 10**9"),
    "a shift of a shift": layer("3, 8, (1 << 63) << 63"),
    "a power of a float": layer("3, 8, 1e300**63"),
    "a repeated tuple": layer("3, 8, (1,) * 10**9"),
    "a repeated string": layer("3, 8, 'a' * 10**9"),
    "repeated bytes": layer("3, 8, b'a' * 10**9"),
    "a wide format": layer("3, 8, '%1000000000d' % 3"),
    "tuples that share their parts": layer("3, 8, ((((((1,)*64,)*64,)*64,)*64,)*64,)*64"),
    "shared tuples compared": layer(
        "3, 8, ((((((1,)*64,)*64,)*64,)*64,)*64,)*64 == ((((((1,)*64,)*64,)*64,)*64,)*64,)*64"
    ),
    "a kernel of a thousand million": layer("3, 8, 10**9"),
    "the same, padded": layer("3, 8, 10**9, padding=10**9 // 2"),
    "negative padding": layer("3, 8, 3, padding=-1"),
    "padding of a thousand million": layer("3, 8, 3, padding=10**9"),
    "a huge reflection": "c = nn.Conv1d(1, 1, 1, padding=10**7, padding_mode='reflect')",
    "a huge wrap": layer("3, 8, 3, padding=10**8, padding_mode='circular'"),
    "a huge dilation": layer("3, 8, 3, dilation=10**9"),
    "a huge dilation kept the same": layer("3, 8, 3, dilation=10**8, padding='same'"),
    "a huge output padding": (
        "c = nn.ConvTranspose2d(3, 8, 3, stride=10**8, output_padding=10**8 - 1)"
    ),
    "not a number": layer("3, 8, 1e999 - 1e999"),
    "a range of a million million": layer("3, 8, (*range(10**12),)"),
    "infinity": layer("3, 8, 1e999, stride=-1e999"),
    "negative everything": layer("-3, -8, -3, stride=-1, dilation=-1, groups=-1"),
    "zero everything": layer("0, 0, 0, stride=0, dilation=0, groups=0"),
    "bools": layer("True, True, True, True, True"),
    "floats": layer("3.0, 8.0, 3.0, stride=1.5"),
    "strings": layer("'3', '8', '3', padding='same\\n'"),
    "complex numbers": layer("3j, 3j, 1j**2"),
    "nothing": layer(""),
    "stars": layer("*a, *b, **c, **d"),
    "a star in a tuple": layer("3, 8, (*k, 3)"),
    "a hundred thousand arguments": layer("1," * 100_000),
    "twenty thousand keywords": layer(",".join(f"a{i}=1" for i in range(20_000))),
    "a hex number of a million digits": layer(f"3, 8, 0x{'f' * 1_000_000}"),
    "such a number in a tuple": layer(f"3, 8, (0x{'f' * 1_000_000}, 3)"),
    "a string of a million characters": layer(f"3, 8, 3, padding_mode='{'a' * 1_000_000}'"),
    "a name bound a thousand times": "\n".join(["conv = nn.Conv2d", "c = conv(3, 8, 3)"] * 1_000),
    "a tuple of half a million": layer(f"3, 8, ({'1,' * 500_000})"),
}
# What is rewritten: large only where it costs nothing, or not looked into.
MIGRATED = {
    "a hundred million groups": layer("10**8, 10**8, 3, groups=10**8"),
    "a hundred million channels": layer("10**8, 10**8, 3"),
    "a huge stride": layer("3, 8, 3, stride=10**9"),
    "a huge range that nobody counts": layer("3, 8, sum(range(10**12))"),
    "a nan by its name": layer("3, 8, torch.nan, stride=torch.inf"),
    "a range that nobody makes a tuple": layer("3, 8, tuple(range(10**12))"),
    "a thousand local names": "\n".join(
        f"conv{i} = nn.Conv2d\nc = conv{i}(3, 8, 3)" for i in range(1_000)
    ),
    "a walrus": layer("(x := 3), 8, (k := 3), padding=k // 2"),
    "await": "async def f():\n    c = nn.Conv2d(await x, await y(), 3)",
    "yield": "def f():\n    c = nn.Conv2d((yield), (yield from g()), 3)",
    "a lambda": layer("(lambda: 3)(), 8, 3"),
    "a hundred and ninety parentheses": layer("3, 8, " + "(" * 190 + "3" + ")" * 190),
}
# What the whole file fails with: Python itself reads none of it, or not so deep.
FAILED = {
    "parentheses": layer("3, 8, " + "(" * DEEP + "3" + ")" * DEEP),
    "signs": layer("3, 8, " + "-" * DEEP + "3"),
    "negations": layer("3, 8, 3, bias=" + "not " * DEEP + "x"),
    "attributes": layer("3, 8, a" + ".b" * DEEP),
    "sums": layer("3, 8, 3" + "+1" * DEEP),
    "conditions": layer("3, 8, " + "1 if x else " * DEEP + "3"),
    "calls of calls": layer("3, 8, 3") + "()" * DEEP,
    "an int of a million digits": layer("3, 8, " + "9" * 1_000_000),
}
