"""The Python API on the real kernel: asyncio, threads, a session at the prompt, failures."""

import asyncio
import os
import pty
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import beepy
from beepy import image_api
from beepy.errors import AttachError
from tests.support.command import PATIENCE, ROOT, environment
from tests.support.held import held, wait_for_end
from tests.support.processes import processes


def links() -> set[tuple[str, int]]:
    return {one for one in held(os.getpid()) if one[0] == "link"}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert held(os.getpid()) == set()


def test_rows_come_one_by_one_until_there_are_enough() -> None:
    with processes():
        events = [*beepy.run("exitsnoop", filters="comm,^true$", count=3, timeout=60)]
    assert [(event.comm, event["exit_code"], event.asdict()["comm"]) for event in events] == 3 * [
        ("true", 0, "true")
    ]


def test_leaving_the_loop_detaches() -> None:
    with processes():
        for event in beepy.run("exitsnoop"):
            assert event.pid
            assert held(os.getpid())
            break
    assert held(os.getpid()) == set()


def test_open_attaches_nothing() -> None:
    with beepy.open("exitsnoop") as run:
        assert held(os.getpid())
        before = links()
        run.attach()
        assert len(links() | before) >= len(before)


def test_what_fails_to_attach_leaves_nothing_attached() -> None:
    """The second image's interface has a program already."""
    with beepy.open("xdpcount", iface="lo") as first:
        first.attach()
        with beepy.open("exitsnoop", "xdpcount", iface="lo") as run:
            before = links()
            with pytest.raises(AttachError, match="xdp lo"):
                run.attach()
            assert links() == before


def test_what_is_forgotten_is_said_in_keywords() -> None:
    with beepy.open("xdpcount") as run, pytest.raises(AttachError) as caught:
        run.attach()
    assert caught.value.__notes__[0].startswith(
        'iface="NAME" or targets={"count": "NAME"}; interfaces: '
    )


def test_rows_have_the_fields_that_are_asked_for() -> None:
    with processes():
        event = next(beepy.run("exitsnoop", fields=["comm", "exit_code"], where="comm == 'true'"))
    assert event.asdict() == {"comm": "true", "exit_code": 0}


def test_groups_are_rows_too() -> None:
    with processes():
        rows = list(
            beepy.run("exitsnoop", where="comm == 'true'", top=2, by=["comm", "exit_code"], count=3)
        )
    assert [row.asdict() for row in rows] == [
        {"count": 3, "comm": "true", "exit_code": 0, "error": 0}
    ]


def test_tables_are_read_whenever_they_are_asked() -> None:
    with beepy.open("xdpcount", targets={"count": "lo"}) as run:
        run.attach()
        packets = run.maps["counter_packets"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("127.0.0.1", 9))
        counted = {(key.family, key.protocol): value for key, value in packets.items()}
        assert counted["ipv4", "udp"] >= 1
        rows = run.table("counter_packets").to_pylist()
        assert {row["family"] for row in rows} >= {"ipv4"}
        run.close()
        with pytest.raises(beepy.UsageError, match="run: it is closed"):
            dict(packets)


def test_stop_from_another_thread_ends_the_iteration() -> None:
    with processes(), beepy.open("exitsnoop") as run:
        seen = 0
        for rows in run:
            seen += len(rows)
            threading.Thread(target=run.stop).start()
        assert seen
        assert run.stats.shown == seen


def test_close_from_another_thread_ends_the_iteration() -> None:
    with processes():
        run = beepy.open("exitsnoop")
        closing = threading.Thread(target=run.close)
        for _ in run:
            if not closing.ident:
                closing.start()
        closing.join(PATIENCE)
        assert held(os.getpid()) == set()


def test_closing_while_it_attaches() -> None:
    """At whatever moment: nothing is attached afterwards."""
    for step in range(10):
        run = beepy.open("exitsnoop", "opensnoop")
        closing = threading.Timer(step / 100, run.close)
        closing.start()
        with suppress(beepy.UsageError):  # it is closed
            run.attach()
        closing.join()
        assert held(os.getpid()) == set()


def test_asyncio_reads_several_runs_and_cancels_them() -> None:
    async def read(image: str, came: asyncio.Event) -> None:
        with beepy.open(image) as run:
            async for _ in run:
                came.set()

    async def both() -> list[BaseException | None]:
        seen = {image: asyncio.Event() for image in ("exitsnoop", "execsnoop")}
        tasks = [asyncio.create_task(read(image, came)) for image, came in seen.items()]
        for came in seen.values():
            await came.wait()
        for task in tasks:
            task.cancel()
        return [*await asyncio.gather(*tasks, return_exceptions=True)]

    with processes():
        assert [type(ended) for ended in asyncio.run(both())] == 2 * [asyncio.CancelledError]


def test_an_error_in_the_body_of_a_loop() -> None:
    async def fail() -> None:
        with beepy.open("exitsnoop") as run:
            async for _ in run:
                raise ValueError("the body's")

    with processes(), pytest.raises(ValueError, match="the body's"):
        asyncio.run(fail())


def test_other_loops_have_a_descriptor() -> None:
    with processes(), beepy.open("exitsnoop", count=5) as run:
        taken = []
        while select.select([run], [], [], PATIENCE)[0] and (rows := run.take()) is not None:
            taken += rows
        assert sum(map(len, taken)) == 5


def test_a_description_says_whether_this_kernel_runs_it() -> None:
    described = image_api.describe("exitsnoop", check=True, relocations=True)
    assert described.check
    assert described.check.runs


class Prompt:
    """Python's prompt on a terminal."""

    def __init__(self, home: Path) -> None:
        self._seen = ""
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.chdir(ROOT)
            os.execve(
                sys.executable, [sys.executable, "-i", "-q"], {**environment(home), "TERM": "dumb"}
            )
        self.until(">>> ")

    def until(self, text: str) -> str:
        """Read until the text comes."""
        end = time.monotonic() + PATIENCE
        while text not in self._seen:
            assert select.select([self._fd], [], [], end - time.monotonic())[0], self._seen
            self._seen += os.read(self._fd, 1 << 16).decode()
        before, _, self._seen = self._seen.partition(text)
        return before

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def ask(self, line: str) -> str:
        """Type a line, and return what is printed up to the next prompt."""
        self.type(line + "\n")
        return self.until(">>> ")

    def end(self) -> int:
        self.type("exit()\n")
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)


def test_ctrl_c_at_the_prompt(tmp_path: Path) -> None:
    prompt = Prompt(tmp_path)
    prompt.ask("import beepy")
    with processes():
        for _ in range(3):
            prompt.type(
                # one write for a line: Ctrl-C may come between two
                "for event in beepy.run('exitsnoop'): print('ended' f' {event.pid}\\n', end='')\n\n"
            )
            prompt.until("ended ")
            numbers = held(prompt.pid)
            assert numbers
            prompt.type("\x03")
            assert prompt.until(">>> ").endswith("KeyboardInterrupt\r\n")
            assert held(prompt.pid) == set()
            wait_for_end(numbers)
        prompt.ask("run = beepy.open('exitsnoop', timeout=0.2)")
        assert "Run('print_exits')" in prompt.ask("run")
        assert "KeyError" not in prompt.ask("sum(map(len, run))")
        prompt.ask("run.close()")
    assert held(prompt.pid) == set()
    assert prompt.end() == 0
