"""Record what a producer on another CPU sends: ``python -m benchmarks.record``.

Records of 56 bytes at increasing rates, with 1,000 different contents and with none twice: each
recording is replayed, and must have all of them. Then a recording is written and read alone.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.events import schemas
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.maps.ringbuf import RingReader
from beepy.recording.playback import Playback
from beepy.recording.recorder import Recorder
from beepy.source import parse
from beepy.streams import Stream
from benchmarks._peers import compile_c
from benchmarks._report import limit, machine, medians, table
from benchmarks.ringbuf import KINDS, RATES, RECORDS, fill, stop_after
from bpf import build

SECONDS: Final = 3
DIFFERENT: Final = 0  # a producer's cardinality: every record differs


class Flow(NamedTuple):
    """What became of one producer's records; ``cpu`` is the recorder's, in seconds."""

    sent: int
    dropped: int
    seconds: float
    cpu: float
    replayed: int
    size: int


def measure_flow(
    collection: Collection, schema: Schema, program: Path, rate: int, kinds: int
) -> Flow:
    """Record what a producer on the last CPU sends at ``rate``, and replay it."""
    generate = collection.programs["generate"].fd.fileno()
    command = [str(program), str(generate), str(rate), str(SECONDS), str(kinds)]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.rec"
        recorder = Recorder(str(path), {})
        recorder.open([Decoder(schema)])
        with Stream([RingReader(collection.maps[schema.map], schema)]) as stream:
            before = time.process_time()
            with subprocess.Popen(
                command, pass_fds=[generate], stdout=subprocess.PIPE, text=True
            ) as producer:
                os.sched_setaffinity(producer.pid, {max(os.sched_getaffinity(0))})
                ending = threading.Thread(target=stop_after, args=(stream, producer))
                ending.start()
                for batch in stream:
                    recorder.write(batch)
                ending.join()
                assert producer.stdout
                sent, dropped, seconds = producer.stdout.read().split()
            recorder.close()
            cpu = time.process_time() - before
        return Flow(
            sent=int(sent),
            dropped=int(dropped),
            seconds=float(seconds),
            cpu=cpu,
            replayed=replay(path),
            size=path.stat().st_size,
        )


def replay(path: Path) -> int:
    """Return how many records a recording has."""
    source = Playback(str(path))
    try:
        source.open()
        return sum([batch.records for batch in source])
    finally:
        source.close()


def write(given: list[Batch], path: Path) -> float:
    """Record batches; return ns per record."""
    path.unlink(missing_ok=True)
    recorder = Recorder(str(path), {})
    started = time.perf_counter_ns()
    recorder.open([Decoder(given[0].schema)])
    for batch in given:
        recorder.write(batch)
    recorder.close()
    return (time.perf_counter_ns() - started) / RECORDS


def read(path: Path) -> float:
    """Replay a recording; return ns per record."""
    started = time.perf_counter_ns()
    if replay(path) != RECORDS:
        raise SystemExit(f"{path}: not all records replayed")
    return (time.perf_counter_ns() - started) / RECORDS


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description="records/s recorded without loss")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        clang = build.CLANG if shutil.which(build.CLANG) else "clang"
        source = build.objects(directory, clang, ["generator"])["generator"]
        spec = parse(source.read_bytes(), name="generator")
        producer = compile_c("producer.c", directory / "producer", "bpf")
        with load(spec) as collection:
            schema = schemas.of_tracked(spec, spec.tracked[0])
            flows = {
                (rate, kinds): measure_flow(collection, schema, producer, rate, kinds)
                for rate in RATES
                for kinds in (KINDS, DIFFERENT)
            }
            fill(collection)
            reader = RingReader(collection.maps[schema.map], schema)
            given = list(reader.read())
            reader.close()
        path = directory / "alone.rec"
        cases: dict[str, Callable[[], float]] = {
            "write": partial(write, given, path),
            "read": partial(read, path),
        }
        medians(cases, 1)
        taken = medians(cases, rounds)
    print(f"{machine()}: {SECONDS} s at each rate")
    rows = [
        (
            f"{rate:,}/s, {'all differ' if kinds == DIFFERENT else f'{kinds:,} contents'}",
            f"{(flow.sent + flow.dropped) / flow.seconds:,.0f}",
            f"{flow.replayed:,}",
            f"{flow.dropped:,}",
            f"{flow.cpu / flow.sent * 1e9:.0f}",
            f"{flow.size / flow.sent:.1f}",
        )
        for (rate, kinds), flow in flows.items()
    ]
    table(("", "tried/s", "replayed", "lost", "CPU ns/record", "bytes/record"), rows)
    for (rate, _), flow in flows.items():
        if flow.replayed != flow.sent:
            raise SystemExit(f"{rate}: {flow.sent} sent, {flow.replayed} replayed")
    print(f"\nalone, medians of {rounds} interleaved rounds")
    table(("", "ns/record"), [(name, f"{ns:.0f}") for name, ns in taken.items()])
    for kinds in (KINDS, DIFFERENT):
        limit("records lost at 1,000,000/s", flows[RATES[0], kinds].dropped, 0)


if __name__ == "__main__":
    main()
