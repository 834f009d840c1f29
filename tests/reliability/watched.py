"""Processes files under an audit hook; prints what nobody asked for, a line of JSON for each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

NEVER = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "ctypes.")
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "shutil.")


def main(paths: list[str]) -> None:
    from mapper.model.options import Options
    from mapper.running.file import Task, process

    warm = b"import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\nd = nn.ConvTranspose2d(3, 8, 3, k)\n"
    warm += b"e = nn.Conv2d(3  # what needs libcst\n, 8, 3)\n"
    process(
        Task("warm.py", warm), Options(select=("conv",))
    )  # what is imported late is imported now
    events: list[str] = []
    is_on = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if not is_on:
            return
        is_write = event == "open" and arguments[1] is not None and str(arguments[1]) != "r"
        if event.startswith((*NEVER, *CHANGES)) or event in ("exec", "import") or is_write:
            events.append(f"{event} {arguments[:1]!r:.100}")

    sys.addaudithook(hook)
    for path in paths:
        data = Path(path).read_bytes()
        events.clear()
        is_on = True
        result = process(Task(path, data), Options(select=("conv",)))
        is_on = False
        sites = [site.status.value for site in result.sites]
        print(json.dumps({"events": events, "file": result.status.value, "sites": sites}))
    is_on = True
    events.clear()
    exec("0")  # the hook itself: this is seen
    is_on = False
    print(json.dumps({"events": events}))


if __name__ == "__main__":
    main(sys.argv[1:])
