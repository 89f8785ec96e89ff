"""Scrapes over loopback while a stream runs: what they share, wait for, and never hold up."""

import gzip
import http.client
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from beepy.errors import OutputError
from beepy.events.batch import Batch, Demand, Schema, Tally
from beepy.obj.spec import Role
from beepy.outputs import snapshots
from beepy.outputs.prometheus import Prometheus
from beepy.outputs.snapshots import Snapshots
from tests.writers.btf import BtfWriter
from tests.writers.events import Exits, ring, snapshot, stream, table

WAIT = 20  # seconds; only a hang gets there


def calls() -> Schema:
    writer = BtfWriter()
    u64 = writer.integer("unsigned long long", 8, 0)
    return table(writer, u64, u64, 8, 8, name="counter_calls")._replace(role=Role.COUNTER)


CALLS = calls()
EXITS = Exits("exits").schema._replace(role=Role.COUNTER)


def reading(number: int, value: int, *, began: int | None = None, final: bool = True) -> Batch:
    batch = snapshot(CALLS, [(struct.pack("<Q", 1), struct.pack("<Q", value))])
    return batch._replace(snapshot=number, began=time.monotonic_ns() if began is None else began, final=final)


@contextmanager
def opened(*schemas: Schema, demand: Demand) -> Iterator[Prometheus]:
    sink = Prometheus("127.0.0.1", 0, tally=Tally())
    sink.open(schemas, demand)
    try:
        yield sink
    finally:
        sink.close()


def scrape(sink: Prometheus) -> tuple[int, str]:
    with closing(http.client.HTTPConnection(*sink.address, timeout=WAIT)) as client:
        client.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        answer = client.getresponse()
        body = answer.read()
        return answer.status, (gzip.decompress(body) if answer.headers["Content-Encoding"] else body).decode()


def scrapes(sink: Prometheus, count: int) -> tuple[list[threading.Thread], "queue.SimpleQueue[tuple[int, str]]"]:
    answers: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    threads = [threading.Thread(target=lambda: answers.put(scrape(sink))) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_scrapes_at_once_share_one_reading() -> None:
    demanded: queue.SimpleQueue[tuple[Schema, ...]] = queue.SimpleQueue()
    with opened(CALLS, EXITS, demand=demanded.put) as sink:
        threads, answers = scrapes(sink, 8)
        assert {demanded.get(timeout=WAIT) for _ in range(8)} == {(CALLS,)}
        sink.write(reading(1, 7))
        for thread in threads:
            thread.join(WAIT)
        pages = [answers.get(timeout=WAIT) for _ in range(8)]
        assert all('ebpf_solo_io_counter_calls{key="1"} 7\n' in text and status == 200 for status, text in pages)
        assert demanded.empty()


def test_a_reading_that_began_before_the_demand_does_not_answer_it() -> None:
    written: list[Batch] = []

    def demand(_: tuple[Schema, ...]) -> None:
        before = reading(2, 2, began=1, final=False)
        written.extend([reading(1, 1)._replace(final=True), before, before._replace(final=True), reading(3, 3)])
        for batch in written:
            tables.write(batch)

    tables = Snapshots((CALLS,), demand)
    tables.write(reading(1, 1, final=False))  # under way when the scrape comes: its rest is not enough
    assert tables.read() == {CALLS: [written[3]]}


def test_nothing_is_kept_of_a_reading_that_no_scrape_waits_for() -> None:
    tables = Snapshots((CALLS,), lambda _: tables.write(reading(2, 2)))
    tables.write(reading(1, 1))
    held = tables._readings[CALLS]
    assert held.batches is held.complete is None
    assert tables.read()[CALLS][0].snapshot == 2
    assert held.batches is held.complete is None


def test_tables_that_are_not_read_in_time_are_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "SNAPSHOT_TIME", 0.01)
    with opened(CALLS, demand=lambda _: None) as sink:
        assert scrape(sink) == (503, "prometheus: tables: not read within 0.01 s\n")


def test_a_scrape_that_waits_is_turned_away_at_once_on_close() -> None:
    demanded = threading.Event()
    with opened(CALLS, demand=lambda _: demanded.set()) as sink:
        threads, answers = scrapes(sink, 1)
        assert demanded.wait(WAIT)
        sink.close()
        threads[0].join(WAIT)
        assert answers.get(timeout=WAIT) == (503, "prometheus: the run ends\n")
        with pytest.raises(OutputError, match="the run ends"):
            sink.page()


def test_the_stream_is_not_held_up_by_a_client_that_does_not_read() -> None:
    exits = [struct.pack("<QQIIIIi16s4x", 1, 1, pid, pid, 1, 0, 0, b"sh") for pid in range(9000)]
    with opened(EXITS, demand=lambda _: None) as sink:
        sink.write(ring(EXITS, exits))
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(sink.address)
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n" * 16)
            assert client.recv(1)
            sink.write(ring(EXITS, exits))
            status, text = scrape(sink)
    assert (status, text.count("} 2\n")) == (200, 9000)


def test_counts_are_whole_while_scrapes_and_stream_run_at_once() -> None:
    writer = BtfWriter()
    schema = stream(writer, writer.integer("unsigned int", 4, 0), "counter_n")._replace(role=Role.COUNTER)
    rounds, seen = 300, [0]
    batch = ring(schema, [struct.pack("<I", number % 50) for number in range(500)])
    with opened(schema, demand=lambda _: None) as sink:
        done = threading.Event()

        def reads() -> None:
            while not done.is_set():
                lines = b"".join(sink.page()).decode().splitlines()
                total = sum(int(float(line.split()[-1])) for line in lines if line.startswith("ebpf_"))
                assert total % 500 == 0
                seen.append(total)

        threads = [threading.Thread(target=reads) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(rounds):
            sink.write(batch)
        done.set()
        for thread in threads:
            thread.join(WAIT)
        text = b"".join(sink.page()).decode()
        assert text.count(f"}} {rounds * 10}\n") == 50
    assert max(seen) <= rounds * 500
