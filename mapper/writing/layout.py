"""What the writers of calls share: how names are spelled, where positions lie, what is refused."""

from __future__ import annotations

from collections.abc import Callable

Spell = Callable[[str], str]
"""How a MindSpore name or helper class is written in this file ("mindspore.nn.Pad" -> "nn.Pad")."""

Offset = Callable[[int, int], int]
"""Where an `ast` position (line, byte column) lies in the call's text."""


class LayoutError(Exception):
    """The call is laid out in a way that cannot be edited without loss."""
