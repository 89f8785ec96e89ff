"""Check that records sent = shown + lost while readers of perf buffers pause at random.

4 runs of each kind, 200 in `make soak`.
"""

import ctypes
import json
import os
import random
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.events.batch import Schema
from beepy.host import machine
from beepy.kernel import map as kernel_map
from beepy.maps.perfbuf import PerfReader
from beepy.streams import Stream
from beepy.uapi import MapType
from tests import soak
from tests.kernel.conftest import ObjectOf
from tests.support.command import Beepy
from tests.support.producer import PerfOutput, Producer
from tests.support.trigger import OURS

pytestmark = [pytest.mark.kernel, pytest.mark.soak]

RUNS = soak.times(4)
RING = 512 << 10  # much larger than a record can be
CPUS = sorted(os.sched_getaffinity(0))
BURST = 1000  # the most records that one call sends
SENDS = '#include "test/perfbuf.bpf.c"'


@contextmanager
def reader() -> Iterator[tuple[kernel_map.Map, PerfReader]]:
    schema = Schema("image", "buffer", None, Btf(BtfWriter().data()))
    with (
        kernel_map.create(
            MapType.PERF_EVENT_ARRAY, "buffer", 4, 4, machine.possible_cpus()
        ) as array,
        closing(PerfReader(array, schema, size=RING)) as perf_reader,
    ):
        if not perf_reader._counters:
            pytest.skip("no PERF_FORMAT_LOST: Linux 6.0")
        yield array, perf_reader


@pytest.fixture
def _anywhere() -> Iterator[None]:
    yield
    os.sched_setaffinity(0, CPUS)


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_stream_whose_reader_pauses(seed: int) -> None:
    """Fill part of a CPU's ring, or overflow it, between two batches and at the detach.

    Sometimes it goes on while the next batch is read.
    """
    dice = random.Random(seed)
    steps = [PerfOutput(dice.choice([8, 20, 52, 500])) for _ in range(dice.randint(1, 5))]
    pauses = dice.randint(1, 12)
    sent = 0
    thread = threading.Thread()

    def send(times: int, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread
        producer.run(times)

    def pause() -> None:
        nonlocal sent, thread
        if thread.ident:
            thread.join()
        times = 1 + int(RING * dice.choice([0, 0.05, 0.3, 0.8, 3])) // sum(
            [step.size + 16 for step in steps]
        )
        sent += times * len(steps)
        thread = threading.Thread(target=send, args=(times, dice.choice(CPUS)))
        thread.start()
        if dice.random() < 0.7:
            thread.join()

    def last() -> None:
        nonlocal pauses
        if dice.random() < 0.3:
            pause()
        thread.join()
        pauses = 0

    with (
        reader() as (array, perf_reader),
        Producer(array, *steps) as producer,
        Stream([perf_reader], [last], timeout=0.2) as stream,
    ):
        pause()
        batches = []
        for batch in stream:
            batches.append(batch)
            if pauses and dice.random() < 0.5:
                pauses -= 1
                pause()
            elif not pauses:
                stream.stop()
    assert sum([batch.records for batch in batches]) > 0
    assert sum([batch.records + (batch.lost or 0) for batch in batches]) == sent
    assert None not in [batch.lost for batch in batches]


@pytest.mark.usefixtures("_anywhere")
@pytest.mark.parametrize("seed", range(RUNS))
def test_a_command_whose_pipe_is_not_read_for_a_while(
    seed: int, compiled: ObjectOf, beepy: Beepy
) -> None:
    with reader():  # or a skip
        pass
    dice = random.Random(seed)
    libc = ctypes.CDLL(None)
    sent = 0
    out, end = os.pipe()
    with (
        os.fdopen(out, "rb", 0) as rows,
        beepy.start(
            "-v", "run", compiled(SENDS), "-o", "json", "--set", f"most={BURST}", stdout=end
        ) as running,
    ):
        os.close(end)
        running.until_attached()
        data = b""
        for _ in range(dice.randint(1, 4)):
            for _ in range(dice.choice([1, 20, 60])):
                os.sched_setaffinity(0, {dice.choice(CPUS)})
                libc.prctl(OURS, BURST, sent, 0, 0)
                sent += BURST
            data += rows.read(dice.choice([1, 1 << 16]))
        running.process.send_signal(signal.SIGINT)
        data += rows.readall()
        done = running.wait()
    numbers = [json.loads(line)["number"] for line in data.splitlines()]
    closing_line = re.search(r"^beepy: (\d+) shown, 0 filtered, (\d+) lost", done.err, re.MULTILINE)
    assert closing_line, done.err
    shown, lost = map(int, closing_line.groups())
    assert shown == len(numbers) == len(set(numbers))
    assert shown + lost == sent, done.err
