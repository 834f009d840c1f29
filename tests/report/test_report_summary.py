"""The closing line and the statistics say what happened, and only that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mapper.model.results import FileResult, FileStatus, Proof, Run, Site, Span, Status
from mapper.report import View
from mapper.report.summary import statistics, verdict

SPAN = Span(1, 1, 1, 2)


def site(status: Status, kind: str = "none", rule: str = "TM102") -> Site:
    return Site(rule, "torch.nn.Conv2d", None, status, SPAN, "c()", "d()", proof=Proof(kind))


def run_of(*sites: Site, seconds: float = 0.84) -> Run:
    file = FileResult("a.py", FileStatus.CHANGED if sites else FileStatus.UNCHANGED, sites)
    return Run((file,), mindspore="2.10", seconds=seconds)


EXACT, SAMPLED = site(Status.MIGRATED, "exact"), site(Status.MIGRATED, "sampled")
NAMED = replace(site(Status.MIGRATED), before="nn.Conv2d")
MANUAL, UNSAFE = site(Status.MANUAL), site(Status.UNSAFE, "sampled")


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        ((), "1 file: no torch convolutions; 0.8 s"),
        ((EXACT,), "1 file, 1 changed: 1 convolution, 1 migrated (1 by numbers); 0.8 s"),
        (
            (EXACT, EXACT, SAMPLED, MANUAL),
            "1 file, 1 changed: 4 convolutions, 3 migrated (2 by numbers, 1 by samples), "
            "1 needs a person; 0.8 s",
        ),
        (
            (MANUAL, UNSAFE),
            "1 file, 1 changed: 2 convolutions, 2 need a person "
            "(1 of them --unsafe would write); 0.8 s",
        ),
        (
            (site(Status.SHAPE_ONLY), site(Status.IGNORED)),
            "1 file, 1 changed: 2 convolutions, 1 shape-only, 1 ignored; 0.8 s",
        ),
        (
            (NAMED, NAMED, MANUAL),
            "1 file, 1 changed: 1 convolution and 2 mentions, 2 migrated, 1 needs a person; 0.8 s",
        ),
        ((NAMED,), "1 file, 1 changed: 1 mention of a convolution, 1 migrated; 0.8 s"),
    ],
    ids=["nothing", "one", "several", "unsafe", "others", "type tests", "one of them"],
)
def test_the_closing_line(sites: tuple[Site, ...], words: str) -> None:
    assert verdict(run_of(*sites)) == words


def test_a_dry_run_says_would(run: Run) -> None:
    assert verdict(run, dry=True).startswith("6 files, 4 would change, 1 failed: ")


def test_the_sample_in_one_line(run: Run) -> None:
    assert verdict(run) == (
        "6 files, 4 changed, 1 failed: 9 convolutions and 1 mention, 4 migrated "
        "(3 by numbers, 1 by samples), 1 shape-only, "
        "4 need a person (1 of them --unsafe would write), 1 ignored; 0.8 s"
    )


def test_minutes_are_minutes() -> None:
    assert verdict(run_of(seconds=59.94)).endswith("; 59.9 s")
    assert verdict(run_of(seconds=59.96)).endswith("; 1 min 0 s")
    assert verdict(run_of(seconds=119.7)).endswith("; 2 min 0 s")


def test_colour_is_asked_for() -> None:
    assert "\x1b" not in verdict(run_of(MANUAL))
    assert "\x1b[1;31m1 needs a person\x1b[0m" in verdict(run_of(MANUAL), View(color=True))


def test_statistics_count_per_rule_the_most_frequent_first() -> None:
    other = site(Status.MIGRATED, rule="TM101")
    lines = statistics(run_of(other, EXACT, MANUAL)).splitlines()
    assert lines[0].split() == [
        *(
            "rule",
            "api",
            "sites",
            "migrated",
            "unsafe",
            "shape-only",
            "manual",
            "uncovered",
            "ignored",
        )
    ]
    assert lines[1].split() == ["TM102", "torch.nn.Conv2d", "2", "1", "0", "0", "1", "0", "0"]
    assert lines[2].split() == ["TM101", "torch.nn.Conv2d", "1", "1", "0", "0", "0", "0", "0"]
    assert len({len(line) for line in lines}) == 1
    assert statistics(run_of()) == ""


def test_counting_thousands_of_sites_is_quick(run: Run) -> None:
    many = replace(run, files=run.files * 1_000)
    assert "9000 convolutions and 1000 mentions" in verdict(many)
    assert len(statistics(many).splitlines()) == 6
