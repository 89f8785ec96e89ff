"""Processes of a given name, user and cgroup that do things when they are told to."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

# a process that calls itself by its first argument, and does something for each line that it reads
_WORKER: Final = """
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)  # PR_SET_NAME
if sys.argv[3]:
    open(f"{sys.argv[3]}/cgroup.procs", "w").write("0")
if sys.argv[2] != "0":
    os.setuid(int(sys.argv[2]))
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
asked = {}

def ask(path, text):
    if path not in asked:
        options = ("--norc", "--noprofile", "-i") if path.endswith("bash") else ()
        asked[path] = subprocess.Popen([path, *options], text=True, **PIPES)
    asked[path].stdin.write(f"{text}\\n")
    asked[path].stdin.flush()
    asked[path].stdout.readline()
    return asked[path].pid

print(os.getpid(), flush=True)
for line in sys.stdin:
    what, count = line.split()
    actor = os.getpid()
    for number in range(int(count)):
        if what == "open":
            os.close(os.open("/dev/null", os.O_RDONLY))
        elif what == "getenv":
            ctypes.CDLL(None).getenv(b"PATH")
        elif what == "sleep":
            time.sleep(0.001)
        elif what == "burn":
            end = time.process_time() + 0.001
            while time.process_time() < end:
                pass
        elif what == "run":
            subprocess.run(["/bin/true"], close_fds=False)
        else:
            actor = ask(what, f"echo {number}" if what.endswith("bash") else number)
    print(actor, flush=True)
for process in asked.values():
    process.communicate()
"""


class Worker:
    """A process of a given name and user that does things when it is told to."""

    def __init__(self, name: str, uid: int = 0, cgroup: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, name, str(uid), str(cgroup or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._number()

    def do(self, what: str, count: int) -> int:
        """Let it do something so often, and return the pid of who did it.

        That is a child of it if ``what`` is a program, which answers each line by one.
        """
        assert self._process.stdin
        self._process.stdin.write(f"{what} {count}\n")
        self._process.stdin.flush()
        return self._number()

    def close(self) -> None:
        self._process.communicate("")

    def _number(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())


@contextmanager
def workers(*descriptions: tuple[Any, ...]) -> Iterator[list[Worker]]:
    started: list[Worker] = []
    try:
        started.extend(Worker(*description) for description in descriptions)
        yield started
    finally:
        for worker in started:
            worker.close()
