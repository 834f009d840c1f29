"""The `tm2ms` command: starts the `mapper` beside it, and says so where another one would start.

`mapper` is a name that other projects have, too, and whatever stands first on the module path wins.
Nothing is imported here that a directory of the path could have a file for.
"""

import os
import sys


def main() -> None:
    """Run the command line, unless `mapper` means something else here."""
    import importlib.util

    beside = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    spec = importlib.util.find_spec("mapper")
    places = [os.path.realpath(place) for place in (spec and spec.submodule_search_locations) or ()]
    if places != [os.path.join(beside, "mapper")]:
        found = (spec.origin if spec else None) or ", ".join(places) or "nothing"
        print(
            f"tm2ms: the name `mapper` means {found!a} here, and not the package of tm2ms in "
            f"{beside!a}: take that directory off PYTHONPATH, or install tm2ms into an "
            "environment of its own",
            file=sys.stderr,
        )
        raise SystemExit(2)
    import mapper

    mapper.leave_the_working_directory()
    from mapper.__main__ import main as run

    run()
