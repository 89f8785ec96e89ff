"""What the kernel says of the loaded programs, in the text of their descriptors."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from beepy.collection.collection import Collection
from beepy.events.costs import ProgramState
from beepy.host import fdinfo
from beepy.kernel.program import Program

_STATS_ENABLED: Final = Path("/proc/sys/kernel/bpf_stats_enabled")


def program_states(collections: Iterable[Collection]) -> Iterator[ProgramState]:
    """Yield the state of each program that is loaded."""
    counts = _counts_runs()
    for collection in collections:
        for program in tuple(collection.programs.values()):  # they may be closed meanwhile
            fields = _fdinfo(program)
            if "prog_id" not in fields:  # it was closed meanwhile
                continue
            skipped = program.name in collection.skipped.reasons
            yield ProgramState(
                image=collection.spec.name,
                program=program.name,
                tag=fields.get("prog_tag", ""),
                id=int(fields["prog_id"]),
                attached=bool(collection.links) and not skipped,
                run_time_ns=int(fields.get("run_time_ns", 0)) if counts else None,
                run_count=int(fields.get("run_cnt", 0)) if counts else None,
            )


def _fdinfo(program: Program) -> dict[str, str]:
    """Return what proc_pid_fdinfo(5) has of a program, {} if it is closed."""
    try:
        return fdinfo.fields(os.getpid(), program.fd.fileno())
    except (OSError, ValueError):
        return {}


def _counts_runs() -> bool:
    try:
        return _STATS_ENABLED.read_text("ascii").strip() == "1"
    except OSError:
        return False
