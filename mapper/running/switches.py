"""What switches sites of a file off: its comments, and the settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from mapper.files.suppressions import MARK

if TYPE_CHECKING:
    from mapper.files.suppressions import Suppressions
    from mapper.model.options import Options
    from mapper.rulebook.selection import Selection


@cache
def _selection(options: Options) -> Selection:
    from mapper.rulebook.loader import load
    from mapper.rulebook.selection import Selection

    chosen = options.select, options.ignore, options.per_file_ignores
    return Selection.of(load(), *chosen, options.root)


def switches(text: str, path: str, options: Options) -> Suppressions | None:
    """Return what switches sites of one file off; None where nothing does."""
    chosen = options.select or options.ignore or options.per_file_ignores
    if not chosen and MARK not in text:
        return None
    from mapper.files.suppressions import Suppressions
    from mapper.rulebook.loader import load
    from mapper.rulebook.selection import understood

    def understands(name: str) -> Callable[[str, str], bool] | None:
        found = understood(load(), name)
        return found.matches if found else None

    return Suppressions(text, understands, _selection(options).in_file(path).reason)
