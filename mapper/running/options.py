"""Turns settings into the options of a run, and refuses names that select no rule."""

from __future__ import annotations

from mapper.model.options import Options
from mapper.running.config import Config, ConfigError

_NAMING = ("select", "ignore", "per_file_ignores")


def options_of(config: Config) -> Options:
    """Return what the rewriting depends on.

    Raises:
        ConfigError: a name selects nothing, or settings do not go together.
    """
    settings = config.settings
    options = Options(
        settings.target_version,
        settings.device,
        settings.recipe,
        settings.unsafe,
        settings.partial,
        select=settings.select,
        ignore=settings.ignore,
        per_file_ignores=tuple(settings.per_file_ignores.items()),
        root=str(config.root),
    )
    for key in _NAMING:
        _check_names(config, key)
    if settings.partial and not options.is_whole:
        raise ConfigError("--partial is about classes, and only convolutions are selected")
    if settings.require and not options.is_whole:
        words = "--require whole asks for more than the convolutions that are selected"
        raise ConfigError(words)
    return options


def _check_names(config: Config, key: str) -> None:
    texts = getattr(config.settings, key)
    if not texts:
        return
    from mapper.rulebook.loader import load
    from mapper.rulebook.selection import SelectionError, names

    groups = texts.values() if key == "per_file_ignores" else (texts,)
    try:
        for group in groups:
            names(load(), group)
    except SelectionError as error:
        raise ConfigError(f"{config.place(key)}: {error}") from error
