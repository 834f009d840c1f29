"""The README's three commands on the demonstration, the last of which runs both frameworks."""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_readme import SESSION, place, printed, without_time

FIGURE = re.compile(r"\d\.\de[+-]\d\d")


def test_the_session_ends_in_an_agreement_as_it_is_shown(tmp_path: Path) -> None:
    """The last digits of a difference are the machine's; that it is rounding is not."""
    place(tmp_path)
    for command, output in SESSION:
        found = printed(command, tmp_path)
        assert FIGURE.sub("…", found) == FIGURE.sub("…", without_time(output))
    assert len(FIGURE.findall(found)) == 22
    assert all(float(one) < 2e-6 for one in FIGURE.findall(found))
