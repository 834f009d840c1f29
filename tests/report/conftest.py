"""Golden files: `TM2MS_UPDATE_GOLDEN=1 pytest tests/report` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mapper
from mapper.model.results import Run
from tests.report.sample import sample


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs chromium, chromedriver and selenium")


GOLDEN = Path(__file__).parent / "golden"


class Golden:
    """Compares a text with a file, byte for byte."""

    def check(self, name: str, text: str) -> None:
        path = GOLDEN / name
        text = text.replace(f'"version": "{mapper.__version__}"', '"version": "x.y.z"')
        if os.environ.get("TM2MS_UPDATE_GOLDEN"):
            path.write_bytes(text.encode())
        assert path.read_bytes().decode() == text, f"see {path}; TM2MS_UPDATE_GOLDEN=1 renews it"


@pytest.fixture
def golden() -> Golden:
    return Golden()


@pytest.fixture
def run() -> Run:
    return sample()
