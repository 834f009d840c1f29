"""`tm2ms` and `python -m mapper`.

A hook starts the program at every commit, and most of the start is imports. So a plain `migrate`
with paths and switches is parsed here, and answered here when the files hold nothing to migrate;
all else goes to `mapper.cli.app`, which would answer the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_SWITCHES = {
    "--check": "check",
    "--diff": "diff",
    "--unsafe": "unsafe",
    "--partial": "partial",
    "--force-exclude": "force_exclude",
    "--statistics": "statistics",
    "--exit-zero": "exit_zero",
    "--quiet": "quiet",
    "-q": "quiet",
}


def main() -> None:
    """Run the command line."""
    plain = plainly(sys.argv[1:])
    if plain is not None and not any(name.endswith("_COMPLETE") for name in os.environ):
        sys.exit(_migrate(*plain))
    from mapper.cli import app as cli

    cli.main()


def plainly(arguments: Sequence[str]) -> tuple[list[str], dict[str, int]] | None:
    """Return the paths and switches of a plain `migrate`, None for everything else."""
    if arguments[:1] != ["migrate"]:
        return None
    paths, given = list[str](), dict[str, int]()
    for one in arguments[1:]:
        number = one.removeprefix("-j")
        if one in _SWITCHES:
            given[_SWITCHES[one]] = True
        elif one != number and number.isascii() and number.isdecimal() and number[0] != "0":
            given["jobs"] = int(number)
        elif one.startswith("-") or not one:
            return None
        else:
            paths.append(one)
    return (paths, given) if paths else None


def _migrate(paths: list[str], given: dict[str, int]) -> int:
    """Run a plain `migrate`, and return its exit code."""
    from mapper.cli import fast_answer as quick

    if (verdict := quick.verdict(paths, given)) is not None:
        if "quiet" not in given:
            print(verdict, file=sys.stderr)
        return 0
    from pathlib import Path

    from mapper.cli.session import Session, UsageError
    from mapper.cli.streams import quiet_pipe
    from mapper.running.config import ConfigError, load

    try:
        with quiet_pipe():
            return Session(load(Path.cwd(), given)).run(paths)
    except (ConfigError, UsageError) as error:
        from mapper.report.visible import on_lines

        print(f"tm2ms: {on_lines(str(error))}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    main()
