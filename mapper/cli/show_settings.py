"""`--show-settings`: lists every setting in force, as TOML, with where its value is from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from mapper.files.paths import shown

if TYPE_CHECKING:
    from mapper.running.config import Config


def show(config: Config) -> str:
    """Return a line for each setting, as a comment where it is not set."""
    file = f"read from {shown(str(config.file))}" if config.file else "no [tool.tm2ms] was found"
    lines = [
        (_line(spec.name, config), config.place(spec.name)) for spec in fields(config.settings)
    ]
    width = min(max(len(line) for line, _ in lines), 40)
    said = [f"{line:<{width}}  # {place}" for line, place in lines]
    return "\n".join([f"# {file}", *said]) + "\n"


def _line(name: str, config: Config) -> str:
    value = getattr(config.settings, name)
    key = name.replace("_", "-")
    return f"# {key} is not set" if value is None else f"{key} = {toml(value)}"


def toml(value: object) -> str:
    """Return a setting's value as TOML writes it."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(shown(str(value)) if isinstance(value, Path) else value)
