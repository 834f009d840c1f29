"""What MindSpore's own mapping table names for a torch API that has no rule yet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mapper.model.record import record
from mapper.rulebook.loader import default_directory

PAGE = "https://www.mindspore.cn/docs/en/{}/note/api_mapping/pytorch_api_mapping.html"
_BRANCHES = ("r2.4.10", "r2.6.0")


@record(frozen=True, slots=True)
class Counterpart:
    """A line of the table: MindSpore's name, the branch of the table and what it says of it."""

    api: str
    branch: str
    is_same: bool

    @property
    def words(self) -> str:
        """Return the counterpart and the table that names it, as a report says them."""
        verdict = "the same" if self.is_same else "with differences"
        return f"MindSpore's table names `{self.api}` ({self.branch}: {verdict}), see {self.page}"

    @property
    def page(self) -> str:
        """Return the address of the table."""
        return PAGE.format(self.branch)


def counterpart(torch: str) -> Counterpart | None:
    """Return what the table names for a torch API, the older branch first."""
    return _table().get(torch)


@cache
def _table() -> Mapping[str, Counterpart]:
    file = default_directory() / "api_mapping.tsv"
    found: dict[str, Counterpart] = {}
    for line in file.read_text("utf-8").splitlines() if file.is_file() else ():
        if line.startswith("#"):
            continue
        torch, *cells = line.split("\t")
        for branch, api, verdict in zip(_BRANCHES, cells[::2], cells[1::2], strict=True):
            if api and torch not in found:
                found[torch] = Counterpart(api, branch, verdict == "same")
    return found
