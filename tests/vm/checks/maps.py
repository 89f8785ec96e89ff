"""Maps of every type, values that hold kernel objects, pins, and perf buffers with lost events."""

import ctypes
import math
import os
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final
from unittest.mock import patch

from beepy.collection import create
from beepy.collection.fallbacks import load_types
from beepy.collection.load import load
from beepy.errors import KernelError
from beepy.events import schemas
from beepy.host.machine import release
from beepy.maps import perfbuf
from beepy.maps.perfbuf import PerfReader
from beepy.obj.pinning import Pins
from beepy.obj.spec import CollectionSpec, DataRef, MapRef
from beepy.uapi import MapType
from tests.vm.checks.check import OBJECTS, YES, Check, failure, parsed
from tests.vm.checks.command import Run

_TRIGGER: Final = 0xBEE
_SINCE: Final = {  # types that are newer than the oldest kernel here
    MapType.TASK_STORAGE: (5, 11, 0),
    MapType.BLOOM_FILTER: (5, 16, 0),
    MapType.USER_RINGBUF: (6, 1, 0),
    MapType.CGRP_STORAGE: (6, 2, 0),
    MapType.ARENA: (6, 9, 0),
}
_TIMERS: Final = (5, 15, 0)  # b00628b1c7d5, "bpf: Introduce bpf timers."
_INNER_LOCKS: Final = (6, 2, 0)  # "bpf: Allow locking bpf_spin_lock in inner map values"
# 119a784c8127, "perf/core: Add a new read format to get a number of lost samples"
_LOST_COUNTERS: Final = (6, 0, 0)
_BURST: Final = 1000
_KEPT: Final = Path("/sys/fs/bpf/beepy_test_kept")


def _provoke(number: int, first: int = 0) -> None:
    assert ctypes.CDLL(None, use_errno=True).prctl(_TRIGGER, number, first, 0, 0) == -1


def types() -> str:
    """Create a map of every type; a kernel refuses only those that are newer than it."""
    refused = []
    spec = parsed("maps_all")
    with ExitStack() as made:
        loaded = load_types(spec)
        assert loaded
        made.callback(loaded.fd.close)
        for one in spec.maps:
            try:
                created, _ = create.create(one, loaded.fd, Pins(), made)
            except KernelError:
                since = (
                    _INNER_LOCKS
                    if one.name == "hash_of_locked"
                    else _SINCE.get(MapType(one.type), (0,))
                )
                assert release() < since, one.name
                refused.append(one.name)
            else:
                made.callback(created.close)
    return f"no {', '.join(refused)}" if refused else "all"


def values() -> str:
    """Lock what is in a value, also in an inner map; let a timer run."""
    spec = parsed("maps_values")
    missing = {
        name
        for name, since in (("start", _TIMERS), ("lock_inside", _INNER_LOCKS))
        if release() < since
    }
    if missing:
        failure(KernelError, lambda: load(spec))
    for program in spec.programs:
        if program.name in missing:
            continue
        used = {ref.map for ref in program.refs if isinstance(ref, MapRef | DataRef)} | {
            "inside",
            ".bss",
        }
        alone = spec._replace(
            programs=(program,),
            maps=tuple([one for one in spec.maps if one.name in used]),
            variables=(),
        )
        with load(alone) as collection:
            assert collection.programs[program.name].run(data=bytes(64)).retval == 0, program.name
            end = time.monotonic() + 10
            while program.name == "start" and not any(
                collection.maps[".bss"].lookup(bytes(4)) or b""
            ):
                assert time.monotonic() < end
                time.sleep(0.01)
    return f"not {', '.join(sorted(missing))}" if missing else YES


def pins() -> str:
    """Load twice what is pinned by name: its values stay."""
    spec = parsed("pinned")
    spec = spec._replace(
        maps=tuple([one._replace(pinning=int(one.name == _KEPT.name)) for one in spec.maps])
    )
    spec = spec._replace(
        programs=tuple([one._replace(section="raw_tp/sys_enter") for one in spec.programs])
    )
    where = Pins(programs="/sys/fs/bpf/programs")
    pinned = Path("/sys/fs/bpf/programs/count")
    for turn in (1, 2):
        with load(spec, pins=where) as collection:
            assert collection.programs["count"].run(bytes(16)).retval == 0
            assert collection.maps[_KEPT.name].lookup(b"\1\0\0\0") == turn.to_bytes(8, "little")
        assert _KEPT.exists()
        assert pinned.exists()
    _KEPT.unlink()
    pinned.unlink()
    return YES


def perf_events() -> str:
    """Show the events of a perf buffer."""
    with Run(f"{OBJECTS}/perfbuf.o", "-o", "json", "-v") as run:
        run.attached(1)
        _provoke(2, 40)
        run.row(lambda row: (row["pid"], row["number"]) == (os.getpid(), 41))
    return YES


def perf_losses() -> str:
    """Send more than the ring of a CPU holds: what is not read is counted."""
    spec: CollectionSpec = parsed("perfbuf")
    (tracked,) = spec.tracked
    with load(spec, variables={"most": _BURST}) as collection:
        array = collection.maps[tracked.map]
        with closing(PerfReader(array, schemas.of_tracked(spec, tracked))) as reader:
            collection.attach()
            os.sched_setaffinity(0, {0})
            bursts = 2 * reader.size // (48 * _BURST)
            for _ in range(bursts):
                _provoke(_BURST)
            first = list(reader.read())
            quiet = list(reader.read())
            _provoke(1)
            last = list(reader.read())
    kept = sum([batch.records for batch in (*first, *last)])
    assert 0 < kept < bursts * _BURST
    lost = sum([batch.lost or 0 for batch in (*first, *quiet, *last)])
    assert kept + lost == bursts * _BURST + 1, (kept, lost, bursts)
    if not quiet:
        return "exact"
    assert [batch.lost for batch in quiet] == [None]
    assert release() < _LOST_COUNTERS
    return "exact once a record follows"


def perf_cpus() -> str:
    """Take a CPU offline and online: it gets its buffer back, its losses are ``unknown``."""
    with patch.object(perfbuf, "_CHECK_PERIOD", math.inf):  # no look but those of end()
        _readers_on_cpu_1()
    os.sched_setaffinity(0, {0, 1})
    with Run(f"{OBJECTS}/perfbuf.o", "-o", "json", "-v") as run:
        run.attached(1)
        _online("0")
        _online("1")
        run.line("CPU 1 came online")  # a second later at the latest
        os.sched_setaffinity(0, {1})
        _provoke(1, 7)
        run.row(lambda row: row["number"] == 7)
    assert (
        "map 'print_events': CPU 1 went offline: what it sends before it has a new ring is lost"
        in run.told
    )
    assert "1 shown, 0 filtered, 0 lost" in run.told
    return YES


def _readers_on_cpu_1() -> None:
    spec: CollectionSpec = parsed("perfbuf")
    (tracked,) = spec.tracked
    with load(spec) as collection:
        array = collection.maps[tracked.map]
        schema = schemas.of_tracked(spec, tracked)
        with closing(PerfReader(array, schema)) as reader:
            collection.attach()
            assert _sent_on_1(reader) == [(3, 0)]
            _online("0")  # as in a suspend: nobody looks between the two
            _online("1")
            assert _sent_on_1(reader) == []
            assert [batch.lost for batch in reader.end()] == [None]
            assert _sent_on_1(reader) == [(3, 0)]
            os.sched_setaffinity(0, {1})
            _provoke(2)
            _online("0")
            assert [(batch.records, batch.lost) for batch in reader.end()] == [(2, 0), (0, None)]
            assert list(reader.end()) == []
            _online("1")
            assert [batch.lost for batch in reader.end()] == [None]
            assert _sent_on_1(reader) == [(3, 0)]
        _online("0")
        with closing(PerfReader(array, schema)) as reader:
            assert list(reader.end()) == []
            _online("1")
            assert [batch.lost for batch in reader.end()] == [None]
            assert _sent_on_1(reader) == [(3, 0)]
            assert list(reader.end()) == []


def _online(digit: str) -> None:
    """Take CPU 1 off line ("0") or on line ("1")."""
    Path("/sys/devices/system/cpu/cpu1/online").write_text(digit)


def _sent_on_1(reader: PerfReader) -> list[tuple[int, int | None]]:
    """Send 3 records on CPU 1; return the records and losses of each batch that comes."""
    os.sched_setaffinity(0, {1})
    _provoke(3)
    return [(batch.records, batch.lost) for batch in reader.read()]


CHECKS: Final = (
    Check("map types", types, ("maps_all",)),
    Check("locks and timers", values, ("maps_values",)),
    Check("pins", pins, ("pinned",)),
    Check("perf buffer", perf_events, ("perfbuf",)),
    Check("perf buffer's losses", perf_losses, ("perfbuf",)),
    Check("perf buffer's CPUs", perf_cpus, ("perfbuf",)),
)
