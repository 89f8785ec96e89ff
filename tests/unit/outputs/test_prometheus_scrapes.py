"""Scrapes over loopback while a stream runs: what they share, wait for, and never hold up."""

import gzip
import http.client
import queue
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from beepy.btf.writer import BtfWriter
from beepy.errors import KernelError, OutputError
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.obj.spec import Role
from beepy.outputs.prometheus import Prometheus
from tests.support.events import Exits, ring, snapshot, stream, table, with_role

WAIT = 20  # seconds; only a hang gets there


def calls() -> Schema:
    writer = BtfWriter()
    u64 = writer.integer("unsigned long long", 8, 0)
    return with_role(table(writer, u64, u64, 8, 8, name="counter_calls"), Role.COUNTER)


CALLS = calls()
EXITS = with_role(Exits("exits").schema, Role.COUNTER)


def reading(value: int) -> Batch:
    return snapshot(CALLS, [(struct.pack("<Q", 1), struct.pack("<Q", value))])


def nothing(_: tuple[Schema, ...]) -> Iterator[Batch]:
    return iter(())


@contextmanager
def opened(
    *schemas: Schema, read: Callable[[tuple[Schema, ...]], Iterator[Batch]] = nothing
) -> Iterator[Prometheus]:
    sink = Prometheus("127.0.0.1", 0, read_tables=read, stats=RunStats())
    sink.open([Decoder(schema) for schema in schemas])
    try:
        yield sink
    finally:
        sink.close()


def scrape(sink: Prometheus) -> tuple[int, str]:
    with closing(http.client.HTTPConnection(*sink.address, timeout=WAIT)) as client:
        client.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        answer = client.getresponse()
        body = answer.read()
        return answer.status, (
            gzip.decompress(body) if answer.headers["Content-Encoding"] else body
        ).decode()


def health(sink: Prometheus) -> int:
    with closing(http.client.HTTPConnection(*sink.address, timeout=WAIT)) as client:
        client.request("GET", "/healthz")
        return client.getresponse().status


def scrapes(
    sink: Prometheus, count: int
) -> tuple[list[threading.Thread], "queue.SimpleQueue[tuple[int, str]]"]:
    answers: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    threads = [threading.Thread(target=lambda: answers.put(scrape(sink))) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_scrapes_that_come_while_one_is_made_share_the_next_reading() -> None:
    began, answered = threading.Semaphore(0), threading.Semaphore(0)
    values = iter(range(100))

    def read(schemas: tuple[Schema, ...]) -> Iterator[Batch]:
        assert schemas == (CALLS,)
        began.release()
        assert answered.acquire(timeout=WAIT)
        yield reading(next(values))

    with opened(CALLS, EXITS, read=read) as sink, ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(sink.address, WAIT)) for _ in range(9)
        ]
        clients[0].sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert began.acquire(timeout=WAIT)
        for client in clients[1:]:
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert health(sink) == 200  # sent after them, so they all wait
        answered.release(2)
        pages = [client.makefile("rb").read().decode() for client in clients]
    values_seen = [re.findall(r'ebpf_solo_io_counter_calls{key="1"} (\d+)', text) for text in pages]
    assert values_seen == [["0"], *[["1"]] * 8]


def test_what_cannot_be_read_is_503() -> None:
    def read(_: tuple[Schema, ...]) -> Iterator[Batch]:
        raise KernelError("map 'counter_calls': look-up: bad\x1b", 1)

    with opened(CALLS, read=read) as sink:
        assert scrape(sink) == (503, "map 'counter_calls': look-up: bad\\x1b\n")


def test_a_reading_ends_where_the_run_does() -> None:
    began, closed = threading.Event(), threading.Event()

    def read(_: tuple[Schema, ...]) -> Iterator[Batch]:
        while True:  # a table without end
            yield reading(1)
            began.set()
            assert closed.wait(WAIT)

    with opened(CALLS, read=read) as sink:
        threads, answers = scrapes(sink, 1)
        assert began.wait(WAIT)
        closing_thread = threading.Thread(target=sink.close)
        closing_thread.start()
        while not sink._closed:
            pass
        closed.set()
        closing_thread.join(WAIT)
        threads[0].join(WAIT)
        assert answers.get(timeout=WAIT) == (503, "prometheus: the run ends\n")
        with pytest.raises(OutputError, match="the run ends"):
            sink.page()


def test_the_stream_is_not_held_up_by_a_client_that_does_not_read() -> None:
    exits = [struct.pack("<QQIIIIi16s4x", 1, 1, pid, pid, 1, 0, 0, b"sh") for pid in range(9000)]
    with opened(EXITS) as sink:
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
    schema = with_role(
        stream(writer, writer.integer("unsigned int", 4, 0), "counter_n"), Role.COUNTER
    )
    rounds, seen = 300, [0]
    batch = ring(schema, [struct.pack("<I", number % 50) for number in range(500)])
    with opened(schema) as sink:
        done = threading.Event()

        def reads() -> None:
            while not done.is_set():
                lines = b"".join(sink.page()).decode().splitlines()
                total = sum(
                    int(float(line.split()[-1])) for line in lines if line.startswith("ebpf_")
                )
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
