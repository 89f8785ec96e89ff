"""Tables of every kind that is read, in batches or key by key."""

import ctypes
import os
import re
import struct
from pathlib import Path
from typing import Final

from beepy import maps
from beepy.collection.load import load
from beepy.events import schemas
from beepy.host.machine import possible_cpus, release
from beepy.maps.table import TableReader
from beepy.uapi import CAPABILITIES, MapType
from tests.vm.checks.check import OBJECTS, Check, parsed
from tests.vm.checks.command import Run

_TRIGGER: Final = 0xBEE
_SLOT: Final = 3
# f008d732ab18, "bpf: Add batched ops support for percpu array"
_PERCPU_ARRAY_BATCHES: Final = (5, 13, 0)
# c8644cd0efe7, "bpf: refine kernel.unprivileged_bpf_disabled behaviour"
_BY_DESCRIPTOR: Final = (5, 19, 0)
_DISABLED: Final = Path("/proc/sys/kernel/unprivileged_bpf_disabled")


def _provoke(slot: int, number: int) -> None:
    assert ctypes.CDLL(None, use_errno=True).prctl(_TRIGGER, slot, number, 0, 0) == -1


def tables() -> str:
    """Read one entry of each table; tell which could not be read in batches."""
    key = struct.pack("<I", _SLOT)
    walked = []
    spec = parsed("tables")
    with load(spec) as collection:
        collection.attach()
        os.sched_setaffinity(0, {0})
        _provoke(_SLOT, 40)
        _provoke(_SLOT, 2)
        for tracked in spec.tracked:
            table = collection.maps[tracked.map]
            reader = maps.reader(table, schemas.of_tracked(spec, tracked, possible_cpus()))
            assert isinstance(reader, TableReader)
            entries: dict[bytes, bytes] = {}
            for batch in reader.read():
                keys, values = (
                    [part.raw[at : at + part.stride] for at in range(0, len(part.raw), part.stride)]
                    for part in batch.parts[:2]
                )
                for entry, value in zip(keys, values, strict=True):  # a row for each CPU, or one
                    entries[entry] = entries.get(entry, b"") + value
            assert entries[key] == table.lookup(key)
            kind = struct.Struct("<I" if table.value_size == 4 else "<QI")
            assert kind.unpack_from(entries[key]) == ((42,) if kind.size == 4 else (42, 2)), (
                tracked.map
            )
            if not reader._batched:
                walked.append(table.type)
    assert walked == ([] if release() >= _PERCPU_ARRAY_BATCHES else [MapType.PERCPU_ARRAY])
    return f"key by key: {', '.join(kind.name for kind in walked)}" if walked else "all in batches"


def counter() -> str:
    """Show the caller's row of a table, and its sum."""
    with Run(f"{OBJECTS}/counter_hash.o", "-o", "json", "-v", "--interval", "100ms") as run:
        run.attached(1)
        _provoke(0, 40)
        _provoke(0, 2)
        run.row(lambda row: (row["pid"], row["value"]) == (os.getpid(), 42))
    return "yes"


def privileges() -> str:
    """Read a table after all other privileges are given up; tell which were kept for that."""
    with Run(f"{OBJECTS}/counter_hash.o", "-o", "json", "--interval", "100ms") as run:
        run.line("Ctrl-C ends")
        _provoke(0, 40)
        _provoke(0, 2)
        run.row(lambda row: (row["pid"], row["value"]) == (os.getpid(), 42))
        status = Path(f"/proc/{run.pid}/status").read_text()
    kept = int(re.findall(r"^CapEff:\t(\w+)$", status, re.MULTILINE)[0], 16)
    assert "\nNoNewPrivs:\t1\n" in status
    assert "\nSeccomp:\t2\n" in status
    may_change = _DISABLED.read_text().strip() == "0"
    needed = release() < _BY_DESCRIPTOR or may_change
    assert kept == (1 << CAPABILITIES["CAP_BPF"] if needed else 0), status
    return "CAP_BPF" if kept else "none"


CHECKS: Final = (
    Check("tables", tables, ("tables",)),
    Check("counter_hash", counter, ("counter_hash",)),
    Check("privileges kept", privileges, ("counter_hash",)),
)
