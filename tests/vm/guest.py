"""The guest's only program: does the checks, one JSON line each.

::

    {"check": NAME, "outcome": "passed" | "failed" | "skipped", "told": TEXT, "seconds": NUMBER}
"""

import json
import os
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.vm.checks import TABLE, gadgets, libbpf
from tests.vm.checks.check import HERE, OBJECTS, Check, Skipped

CHECKS: Final = Path(HERE or "/", "checks")  # the names of those that are asked for, a line each


def main() -> None:
    """Do those that are asked for."""
    asked = CHECKS.read_text().split("\n")
    apart = (*libbpf.CHECKS.values(), libbpf.REWRITTEN, *gadgets.CHECKS.values())
    for check in (*TABLE, *apart):
        if check.name not in asked:
            continue
        began = time.monotonic()
        if OBJECTS.exists() or not check.objects:
            outcome, told = _apart(check)
        else:
            outcome, told = "skipped", "not installed: clang"
        line = {
            "check": check.name,
            "outcome": outcome,
            "told": told,
            "seconds": round(time.monotonic() - began, 1),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def _apart(check: Check) -> tuple[str, str]:
    """Do a check in a process group of its own, which is ended with it."""
    inner, outer = os.pipe()
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        os.close(inner)
        os.write(outer, json.dumps(_done(check)).encode())
        os._exit(0)
    os.close(outer)
    told = b""
    end = time.monotonic() + check.seconds
    while select.select([inner], (), (), max(end - time.monotonic(), 0))[0]:
        data = os.read(inner, 1 << 16)
        if not data:
            break
        told += data
    os.close(inner)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not told:
        return "failed", f"no answer within {check.seconds} s"
    outcome, text = json.loads(told)
    return outcome, text


def _done(check: Check) -> tuple[str, str]:
    os.dup2(2, 1)
    try:
        return "passed", check.run()
    except Skipped as why:
        return "skipped", str(why)
    except Exception:  # noqa: BLE001 - whatever it is, the line tells it
        return "failed", traceback.format_exc()


if __name__ == "__main__":
    main()
