"""Run XDP programs by BPF_PROG_TEST_RUN, again and again, and measure that."""

import time
from pathlib import Path
from typing import Final

from beepy.kernel.program import Program
from beepy.obj.spec import CollectionSpec
from beepy.source import parse
from tests.support.compiled import compile_text

REPEATS: Final = 500_000
_PACKET: Final = bytes(64)
_HEADERS: Final = '#include "include/core.h"\n'
_LICENSE: Final = '\nchar LICENSE[] SEC("license") = "GPL";\n'


def compiled(directory: Path, source: str) -> CollectionSpec:
    """Compile and parse C text that has programs and maps only."""
    return parse(
        compile_text(directory, _HEADERS + source + _LICENSE).read_bytes(), name="benchmark"
    )


def run_ns(program: Program) -> float:
    """Run a program many times; return the ns of CPU of one."""
    started = time.thread_time_ns()
    program.run(data=_PACKET, repeat=REPEATS)
    return (time.thread_time_ns() - started) / REPEATS
