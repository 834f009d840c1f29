"""One hostile file in a process with limits; prints what it cost and came to, as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time

MEMORY = 2 << 30


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from mapper.model.options import Options
    from mapper.running.file import Task, process
    from tests.reliability import hostile

    for line in sys.stdin:
        kind, name = json.loads(line)
        text = hostile.HEAD + getattr(hostile, kind)[name] + "\n"
        began = time.process_time()
        result = process(Task("hostile.py", text.encode()), Options(select=("conv",)))
        print(
            json.dumps(
                {
                    "seconds": time.process_time() - began,
                    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                    "file": result.status.value,
                    "sites": [site.status.value for site in result.sites],
                    "messages": [result.message or "", *{s.message for s in result.sites}],
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
