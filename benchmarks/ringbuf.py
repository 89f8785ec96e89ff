"""A ring buffer read by beepy, and by a C program on libbpf: ``python -m benchmarks.ringbuf``.

First a filled ring (16 MiB, records of 56 bytes with 1,000 different contents) is emptied by every consumer in turn,
then a producer on another CPU feeds a stream that counts, at rising rates.
"""

import argparse
import gc
import os
import pty
import shutil
import struct
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.events import schemas
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.maps.ringbuf import RingReader
from beepy.obj.spec import Role
from beepy.outputs.columns import Columns
from beepy.outputs.columns.terminal import Terminal
from beepy.outputs.jsonl import JsonLines
from beepy.outputs.row_writer import RowWriter
from beepy.outputs.series import EventMetric, MetricLabels
from beepy.source import parse
from beepy.streams import Stream
from benchmarks._peers import compiled
from benchmarks._report import limit, machine, medians, table
from bpf import build

RECORDS: Final = 262_000  # of 64 bytes with their headers: all but the last few that the ring holds
KINDS: Final = 1000
NO_WAKEUP: Final = 1  # BPF_RB_NO_WAKEUP
REQUEST: Final = struct.Struct("<QIIQQ")  # struct request of generator.bpf.c
RATES: Final = (1_000_000, 2_000_000, 3_000_000)  # records/s
SECONDS: Final = 3
C_READ, C_COUNT, C_JSON = "C: nothing", "C: count", "C: JSON lines, fprintf"
READ, COUNT, VALUES = "beepy: nothing", "beepy: count (metric)", "beepy: columns of values"
COLUMNS, JSON = "beepy: -o columns", "beepy: -o json"
TERMINAL: Final = "beepy: -o columns, terminal"

Take = Callable[[Batch], object]


class Consumer:
    """A C program that empties the ring; ``run`` returns its ns a record."""

    def __init__(self, program: Path, what: str, ring: int) -> None:
        self._process = subprocess.Popen(
            [program, what, str(ring)], pass_fds=[ring], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, records: int) -> float:
        """Have so many records consumed."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{records}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def fill(collection: Collection) -> None:
    """Put RECORDS records into the ring, which must be empty."""
    ran = collection.programs["generate"].run(REQUEST.pack(RECORDS, KINDS, NO_WAKEUP, 0, 0))
    if REQUEST.unpack(ran.ctx)[3:] != (RECORDS, 0):
        raise SystemExit(f"the generator sent not all: {REQUEST.unpack(ran.ctx)}")


def emptied(collection: Collection, consume: Callable[[int], float]) -> float:
    """Fill the ring, have it emptied, return ns a record."""
    fill(collection)
    return consume(RECORDS)


def python(reader: RingReader, take: Take, records: int) -> float:
    """Give all batches of the ring to ``take``; return ns a record."""
    started, seen = time.perf_counter_ns(), 0
    for batch in reader.read():
        take(batch)
        seen += batch.records
    taken = time.perf_counter_ns() - started
    if seen != records:
        raise SystemExit(f"{seen} records read of {records}")
    return taken / records


def metric(schema: Schema) -> EventMetric:
    """Return a counter of whole records, as the metrics of a ``counter_`` ring are."""
    decoder = Decoder(schema)
    labels = MetricLabels(decoder, decoder.fields)
    return EventMetric("events", Role.COUNTER, decoder, labels, value=None, bounds=(), max_series=10_000)


@contextmanager
def drained_terminal() -> Iterator[int]:
    """Give a terminal of 80x24 that another process empties."""
    ours, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with subprocess.Popen(["cat"], stdin=ours, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        os.close(ours)
        try:
            yield terminal
        finally:
            os.close(terminal)  # which ends cat


def consumers(reader: RingReader, sink: int, terminal: int) -> dict[str, Take]:
    """Return what is done with batches; rows go to ``sink``, or to a terminal."""
    schema, decoder = reader.schema, Decoder(reader.schema)
    columns, lines = Columns(RowWriter(sink)), JsonLines(RowWriter(sink))
    screen = Columns(RowWriter(terminal), terminal=Terminal(terminal))
    for rows in (columns, screen, lines):
        rows.open([Decoder(schema)])
    return {
        READ: lambda batch: batch,
        COUNT: metric(schema).write,
        VALUES: lambda batch: decoder.values(batch, decoder.fields),
        COLUMNS: columns.write,
        TERMINAL: screen.write,
        JSON: lines.write,
    }


def filled(collection: Collection, schema: Schema, program: Path, rounds: int) -> None:
    """Measure every consumer on a filled ring, print the table and the limits."""
    with ExitStack() as stack:
        ring = collection.maps[schema.map]
        cases: dict[str, Callable[[], float]] = {}
        for name, what in ((C_READ, "empty"), (C_COUNT, "count"), (C_JSON, "json")):
            consumer = Consumer(program, what, ring.fd.fileno())
            stack.callback(consumer.close)
            cases[name] = partial(emptied, collection, consumer.run)
        reader = RingReader(ring, schema)
        stack.callback(reader.close)
        sink = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, sink)
        for name, take in consumers(reader, sink, stack.enter_context(drained_terminal())).items():
            cases[name] = partial(emptied, collection, partial(python, reader, take))
        gc.freeze()
        medians(cases, 1)
        taken = medians(cases, rounds)
    print(f"filled ring, medians of {rounds} interleaved rounds; {machine()}")
    rows = [
        (name, f"{ns:.1f}", f"{ns / taken[C_COUNT]:.2f}", f"{ns / taken[C_JSON]:.2f}") for name, ns in taken.items()
    ]
    table(("", "ns/record", "/C count", "/C JSON"), rows)
    limit("counting, to C that counts", taken[COUNT] / taken[C_COUNT], 12)
    limit("columns, to C that counts", taken[VALUES] / taken[C_COUNT], 15)
    limit("JSON lines, to C's fprintf", taken[JSON] / taken[C_JSON], 4)


class Flow(NamedTuple):
    """What became of the records of one producer; ``cpu`` is the reader's seconds."""

    counted: int
    sent: int
    dropped: int
    seconds: float
    cpu: float


def flow(collection: Collection, schema: Schema, program: Path, rate: int) -> Flow:
    """Count in a stream what a producer on the last CPU sends at ``rate``."""
    counter = metric(schema)
    generate = collection.programs["generate"].fd.fileno()
    command = [str(program), str(generate), str(rate), str(SECONDS), str(KINDS)]
    with Stream([RingReader(collection.maps[schema.map], schema)]) as stream:
        before = time.process_time()
        with subprocess.Popen(command, pass_fds=[generate], stdout=subprocess.PIPE, text=True) as producer:
            os.sched_setaffinity(producer.pid, {max(os.sched_getaffinity(0))})
            ending = threading.Thread(target=_stop_after, args=(stream, producer))
            ending.start()
            for batch in stream:
                counter.write(batch)
            ending.join()
            assert producer.stdout
            sent, dropped, seconds = producer.stdout.read().split()
        cpu = time.process_time() - before
    counted = sum(values(counter.page()))
    return Flow(counted, int(sent), int(dropped), float(seconds), cpu)


def _stop_after(stream: Stream, producer: subprocess.Popen[str]) -> None:
    producer.wait()
    stream.stop()


def values(page: list[bytes]) -> Iterator[int]:
    """Return the samples of a page of metrics."""
    return (int(float(line.rpartition(b" ")[2])) for line in b"".join(page).splitlines())


def flows(collection: Collection, schema: Schema, program: Path) -> None:
    """Measure the stream at every rate, print the table and the limit."""
    measured = {rate: flow(collection, schema, program, rate) for rate in RATES}
    print(f"\nend to end, {SECONDS} s at each rate")
    rows = [
        (
            f"{rate:,}/s",
            f"{(one.sent + one.dropped) / one.seconds:,.0f}",
            f"{one.counted:,}",
            f"{one.dropped:,}",
            f"{one.cpu / one.counted * 1e9:.0f}",
        )
        for rate, one in measured.items()
    ]
    table(("", "tried/s", "counted", "lost", "CPU ns/record"), rows)
    for rate, one in measured.items():
        if one.counted != one.sent:
            raise SystemExit(f"{rate}: {one.sent} sent, {one.counted} counted")
    limit("records lost at 1,000,000/s", measured[RATES[0]].dropped, 0)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="ns a record of ring buffer consumers, and records/s without loss")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clang = build.CLANG if shutil.which(build.CLANG) else "clang"
        spec = parse(build.objects(folder, clang, ["generator"])["generator"].read_bytes(), name="generator")
        with load(spec) as collection:
            schema = schemas.of_tracked(spec, spec.tracked[0])
            filled(collection, schema, compiled("consumer.c", folder / "consumer", "bpf"), rounds)
            flows(collection, schema, compiled("producer.c", folder / "producer", "bpf"))


if __name__ == "__main__":
    main()
