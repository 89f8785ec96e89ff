"""Work for the programs under test: processes that start, open files and end, all the time."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def processes() -> Iterator[None]:
    """Start ``true``, one after the other, while the block runs; an idle machine has no events."""
    with subprocess.Popen(["sh", "-c", "while :; do /bin/true; done"]) as shell:
        try:
            yield
        finally:
            shell.kill()
