"""Which directories and files can be skipped, by a directory's name and by a file's bytes.

A run asks this of every file, and a hook at every commit, so this module imports next to nothing.
"""

from __future__ import annotations

import functools
import re

from mapper.model.conv_names import AFTER_FIRST_LETTER

DEFAULT_EXCLUDE = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".git-rewrite",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pycache__",
    "__pypackages__",
    "_build",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)

_CONV = re.compile(AFTER_FIRST_LETTER.encode())
# torch may also come through another file: `from .common import nn`, `from .layers import *`,
# `layers.Conv2d`; an import goes on after a bracket that is not closed, or a backslash
_IMPORT = re.compile(rb"\bfrom\b[^\r\n]*?\bimport\b([^\r\n]*)")  # to the end: once a line
_HANDED_ON = re.compile(rb"\*|\bnn\b|\btorch\b|onv|\([^)]*$|\\[ \t]*$")
_CUT = re.compile(rb"\bfrom\b[^\r\n]*\\[ \t]*[\r\n]")  # before it says `import`
_DOT = rb"[ \t]*\\?[\r\n \t]*\.[ \t]*\\?[\r\n \t]*"
_READ = re.compile(rb"\b(\w{1,64})%s(?:\w{1,64}%s){0,4}[Cc]%s" % (_DOT, _DOT, _CONV.pattern))
_OTHERS = (
    rb"\b(?:import|from)[ \t]+(?=(?:mindspore|keras|tensorflow|jax|flax|paddle)\b)[^\r\n]*\b%s\b"
)
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
MARK = b"tm2ms:"
"""What a comment that switches sites off begins with."""


def may_mention_torch(data: bytes) -> bool:
    """Tell quickly whether a file may name torch; errs towards yes."""
    return b"torch" in data or (_is_spelled_otherwise(data) and b"torch" in _plain(data))


def may_mention_conv(data: bytes) -> bool:
    """Tell quickly whether a file is a candidate where only convolutions count; errs towards yes.

    It is when it may name a convolution, and mentions torch or may take a name from a file of the
    project that comes from torch.
    """
    return _may_mention(data) or (_is_spelled_otherwise(data) and _may_mention(_plain(data)))


def _may_mention(data: bytes) -> bool:
    return _CONV.search(data) is not None and (
        b"torch" in data
        or any(map(_HANDED_ON.search, _IMPORT.findall(data)))
        or _CUT.search(data) is not None
        or any(map(functools.partial(_may_be_ours, data), set(_READ.findall(data))))
    )


def _is_spelled_otherwise(data: bytes) -> bool:
    """Tell whether names may stand there in other characters, or in the escapes of a notebook."""
    return not data.isascii() or data.lstrip()[:1] == b"{"


def _plain(data: bytes) -> bytes:
    """Return the text as Python would read it: without a notebook's escapes, names in NFKC."""
    import unicodedata

    if data.lstrip(_BEFORE_JSON)[:1] == b"{":
        data = _ESCAPE.sub(_unescaped, data)
    text = data.decode("utf-8", "replace")
    return data if text.isascii() else unicodedata.normalize("NFKC", text).encode()


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return chr(int(found[1], 16)).encode("utf-8", "replace")
    return _ESCAPED.get(found[2], found[2])


def _may_be_ours(data: bytes, root: bytes) -> bool:
    """Tell whether `root.Conv2d` could read a module of the project, and so torch's class."""
    return root not in (b"self", b"cls") and not re.search(_OTHERS % re.escape(root), data)
