"""What is no concern of ours, told at a glance: by a directory's name, and by a file's bytes.

A run asks this of every file, and a hook at every commit, so it costs next to nothing to import.
"""

from __future__ import annotations

import functools
import re

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

# A literal first byte lets `re` search three times as fast as `[Cc]onv…`, and hits are as rare.
_CONV = re.compile(rb"onv(?:_?[Tt]ranspose)?[123]d")
# torch may also come through another file: `from .common import nn`, `from .layers import *`,
# `layers.Conv2d`
_IMPORT = re.compile(rb"\bfrom[ \t]+[.\w]+[ \t]+import\b([^\r\n]*)")  # to the end: once a line
_HANDED_ON = re.compile(rb"\*|\bnn\b|\btorch\b|onv|\([ \t]*(?:#|$)")
_READ = re.compile(rb"\b(\w{1,64})\.(?:\w{1,64}\.){0,4}[Cc]onv(?:_?[Tt]ranspose)?[123]d")
_OTHERS = (
    rb"\b(?:import|from)[ \t]+(?=(?:mindspore|keras|tensorflow|jax|flax|paddle)\b)[^\r\n]*\b%s\b"
)
_MARK = b"tm2ms:"  # of a comment that switches sites off


def may_concern_us(data: bytes) -> bool:
    """Tell quickly whether there could be anything to do in, or to say about, a file."""
    return may_mention_conv(data) or _MARK in data


def may_mention_conv(data: bytes) -> bool:
    """Tell quickly whether a file could refer to a torch convolution; errs towards yes."""
    return _CONV.search(data) is not None and (
        b"torch" in data
        or any(map(_HANDED_ON.search, _IMPORT.findall(data)))
        or any(map(functools.partial(_may_be_ours, data), set(_READ.findall(data))))
    )


def _may_be_ours(data: bytes, root: bytes) -> bool:
    """Tell whether `root.Conv2d` could read a module of the project, and so torch's class."""
    return root not in (b"self", b"cls") and not re.search(_OTHERS % re.escape(root), data)
