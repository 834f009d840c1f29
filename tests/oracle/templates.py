"""Torch calls with symbols, as real code writes them, and the values that the symbols are for."""

from __future__ import annotations

import ast
from types import SimpleNamespace

USUAL: dict[str, tuple[object, ...]] = {
    "c": (4, 8, 2), "o": (4, 8, 2), "g": (1, 2), "n": (1, 2, 3), "i": (0, 1, 2),
    "k": (3, 1, 5, 2, 4), "odd": (3, 1, 5, 7), "s": (1, 2, 3), "d": (1, 2, 3), "p": (1, 0, 2, 3),
    "u": (2, 3, 4, 5), "q": (0, 1), "b": (True, False), "norm": (None, "batch"),
    "small": (True, False), "ks": ((3, 5, 7), [1, 3, 5]), "ds": ((1, 2, 3), [1, 3, 5]),
    "pair": ((3, 1), (2, 3)), "triple": ((3, 1, 2), (1, 2, 3)),
    "cfg": (SimpleNamespace(k=3, s=2, p=1, d=1, g=1, b=True, c=4, o=8, norm=None),
            SimpleNamespace(k=2, s=1, p=0, d=2, g=2, b=False, c=8, o=4, norm="batch")),
    "m": (1, 2, 3), "dt": (None,),
}  # fmt: skip
"""What each symbol usually holds; `m` is a padding that is not 0."""

PLAIN = """\
{conv}(c, o, k)
{conv}(c, o, kernel_size=k)
{conv}(c, o, k, s)
{conv}(c, o, k, s, p)
{conv}(c, o, k, s, p, d)
{conv}(c, o, k, s, p, d, g)
{conv}(c, o, k, s, p, d, g, b)
{conv}(c, o, k, stride=s, padding=p, dilation=d, groups=g, bias=b)
{conv}(c, o, odd, padding=odd // 2)
{conv}(c, o, odd, s, odd // 2)
{conv}(c, o, odd, s, (odd - 1) // 2, bias=False)
{conv}(c, c, odd, s, (odd - 1) // 2 * d, d, groups=g, bias=b)
{conv}(c, c, odd, s, d * (odd - 1) // 2, dilation=d)
{conv}(c, c, odd, 1, padding=int((odd * d - d) / 2), dilation=d)
{conv}(c, c, k, padding=k - 1)
{conv}(c, c, odd, groups=c, padding=odd // 2)
{conv}(c, o, 1, bias=norm is None)
{conv}(c, o, 3, 1, 1, bias=not norm)
{conv}(c, o, 3, 1, 1, bias=bool(norm))
{conv}(c, o, 3, 2 if small else 1, 1)
{conv}(c, o, 3 if small else 1, padding=1 if small else 0)
{conv}(c, o * 2, 3, padding=1, bias=True)
{conv}(c // g * g, o // g * g, 3, groups=g)
{conv}(c, o, k, padding='same')
{conv}(c, o, k, padding='same', dilation=d)
{conv}(c, o, k, s, padding='valid')
{conv}(c, o, 3, padding=p, padding_mode='reflect')
{conv}(c, o, odd, padding=odd // 2, padding_mode='replicate')
{conv}(c, o, odd, 1, (odd - 1) // 2, padding_mode='circular', bias=b)
{conv}(c, o, cfg.k, cfg.s, cfg.p, cfg.d, cfg.g, cfg.b)
{conv}(cfg.c, cfg.o, cfg.k, padding=cfg.k // 2, bias=cfg.norm is None)
{conv}(c, o, ks[i], padding=ks[i] // 2)
{conv}(c, o, 3, padding=ds[i], dilation=ds[i])
{conv}(in_channels=c, out_channels=o, kernel_size=max(k, 2), stride=min(s, 2))
{conv}(c, o, 3, padding=2 ** i, dilation=2 ** i)
{conv}(c, o, k, dtype=None, device=None, stride=s)
{conv}(c, o, k, dtype=dt)
"""

PLAIN_2D = """\
Conv2d(c, o, (k, 1), padding=(p, 0))
Conv2d(c, o, (1, k), (1, s), (0, p))
Conv2d(c, o, (k, odd), padding=(k // 2, odd // 2))
Conv2d(c, o, [k, k], [s, 1])
Conv2d(c, o, 3, padding=(p, m), padding_mode='reflect')
Conv2d(c, o, 3, padding=[p, m], padding_mode='circular')
Conv2d(c, o, 3, padding=(m, p), padding_mode='replicate', stride=s)
Conv2d(c, o, (k,) * 2, stride=s)
Conv2d(c, o, pair, stride=s)
"""

PLAIN_3D = """\
Conv3d(c, o, (1, k, k), (1, s, s), (0, p, p))
Conv3d(c, o, (k, 1, 1), padding=(p, 0, 0))
Conv3d(c, o, 3, padding=(p, m, m), padding_mode='reflect')
Conv3d(c, o, 2, padding=[p, m, 1], padding_mode='circular')
Conv3d(c, o, triple)
"""

TRANSPOSED = """\
{conv}(c, o, k)
{conv}(c, o, k, s)
{conv}(c, o, k, s, p)
{conv}(c, o, k, stride=s, padding=p, groups=g, bias=b)
{conv}(c, o, k, u, p, dilation=1)
{conv}(c, o, u, u)
{conv}(c, o, 2 * u, stride=u, padding=u // 2 + u % 2)
{conv}(c, o, k + u, u, padding=k // 2)
{conv}(c, o, 3, 2, 1, 1)
{conv}(c, o, k, 2, m, 1)
{conv}(c, o, 3, u, m, output_padding=q)
{conv}(c, o, 2 * u, stride=u, padding=u // 2 + u % 2, output_padding=u % 2)
{conv}(c, o, 3, stride=2, padding=1, output_padding=1, bias=norm is None)
{conv}(c, o, k, 2, padding=m, output_padding=q, groups=g, bias=b)
{conv}(c, o, k, s, 1, s - 1)
{conv}(c, o, cfg.k, cfg.s, cfg.p)
{conv}(c, o, 4, 2, 1, bias=not norm)
{conv}(c, c, ks[i], u, (ks[i] - 1) // 2, groups=c)
{conv}(c, o, k, s, p, 0, g, b, 1, 'zeros')
{conv}(in_channels=c, out_channels=o, kernel_size=u * 2, stride=u, padding=u // 2, bias=b)
{conv}(c, o, 3, 2, 0, 1)
{conv}(c, o, 3, 3, 1, 2, bias=b)
"""

TRANSPOSED_MORE = """\
ConvTranspose1d(c, o, k, stride=s, dilation=d)
ConvTranspose1d(c, o, k, s, p, 0, g, b, d)
ConvTranspose2d(c, o, k, stride=s, dilation=d, padding=p)
ConvTranspose2d(c, o, (k, 1), (s, 1), (p, 0))
ConvTranspose2d(c, o, (k, odd), 2, (m, m), (1, q))
ConvTranspose2d(c, o, (3, 3), (u, 2), (m, 1), (q, 1))
ConvTranspose3d(c, o, (1, k, k), (1, s, s), (0, p, p))
ConvTranspose3d(c, o, 3, (1, u, u), 1, (0, q, q))
ConvTranspose3d(c, o, k, s, dilation=(1, d, d))
"""

LEFT_ALONE = """\
Conv2d(*pair)
Conv2d(c, o, **cfg)
Conv2d(c, o, k, padding='same', padding_mode='reflect')
ConvTranspose1d(c, o, 3, stride=u, output_padding=u - 1)
ConvTranspose2d(c, o, k, s, 0, q)
Conv2d(c, o, 3, **ks)
"""
"""Calls whose rewrite cannot be known; they stay."""


def templates() -> list[str]:
    """Return all calls that the tool is expected to rewrite."""
    found = [line.format(conv=f"Conv{n}d") for n in (1, 2, 3) for line in PLAIN.splitlines()]
    found += [
        line.format(conv=f"ConvTranspose{n}d")
        for n in (1, 2, 3)
        for line in TRANSPOSED.splitlines()
    ]
    more = (PLAIN_2D, PLAIN_3D, TRANSPOSED_MORE)
    return [*found, *(line for text in more for line in text.splitlines())]


def symbols(call: str) -> list[str]:
    """Return the names that a call is made of."""
    names = [node.id for node in ast.walk(ast.parse(call)) if isinstance(node, ast.Name)]
    return sorted({name for name in names if name in USUAL})


def module(calls: list[str]) -> str:
    """Return a module with a function of its symbols for each call."""
    functions = [
        f"\n\ndef make_{index}({', '.join(symbols(call))}):\n    return nn.{call}\n"
        for index, call in enumerate(calls)
    ]
    return "import torch.nn as nn\n" + "".join(functions)
