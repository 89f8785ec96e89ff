"""``beepy mcp``, by the client of the SDK: a question answered, and what is refused."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TextIO

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client

from tests.support.command import Beepy, environment
from tests.support.processes import processes

pytestmark = pytest.mark.kernel

WHO = {"name": "test", "version": "1"}


class Session:
    """A server under way; ``ask`` calls a tool, and returns its JSON, or its error as a text."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def ask(self, tool: str, **arguments: object) -> Any:  # noqa: ANN401
        result = await self.client.call_tool(tool, arguments)
        (content,) = result.content
        text: str = content.text  # type: ignore[union-attr]
        assert len(text) <= 64 << 10
        return text if result.is_error else json.loads(text)


def session(
    beepy: Beepy, log: TextIO, *options: str, talk: Callable[[Session], Awaitable[None]]
) -> None:
    """Start a server, talk to it, and end it by closing its stdin."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-W", "error", "-m", "beepy", "mcp", *options],
        env=environment(beepy.home),
    )

    async def main() -> None:
        async with Client(stdio_client(server, errlog=log)) as client:
            await talk(Session(client))

    anyio.run(main)


def test_a_question_is_answered(beepy: Beepy, tmp_path: Path) -> None:
    """Which process asks for a file that is not there, and how often?"""
    missing = tmp_path / "not-there"
    stopped = threading.Event()

    def look_for_it() -> None:
        while not stopped.wait(0.02):
            subprocess.run(["cat", str(missing)], check=False, stderr=subprocess.DEVNULL)

    async def talk(server: Session) -> None:
        listed = await server.ask("list")
        images = {image["name"]: image for image in listed["images"]}
        assert images["opensnoop"]["runs"]
        assert not images["xdpcount"]["runs"]
        described = await server.ask("describe", image="opensnoop")
        assert described["read_only"]
        assert "fname" in described["$defs"]["print_opens"]["properties"]
        where = f'ret == ENOENT and fname == "{missing}"'
        summary = await server.ask("run", image="opensnoop", where=where, timeout=0.6)
        opens = summary["maps"]["print_opens"]
        assert opens["fields"]["comm"]["top"] == [["cat", opens["rows"]]]
        assert opens["rows"] > 0
        rows = await server.ask(
            "run", image="opensnoop", where=where, fields="comm,ret", show="rows", count=2
        )
        assert [(row["comm"], row["ret"]) for row in rows["rows"]] == [("cat", -2)] * 2
        groups = await server.ask(
            "run", image="opensnoop", where=where, top=3, by="comm,ret", count=3
        )
        assert [(row["comm"], row["count"]) for row in groups["rows"]] == [("cat", 3)]

    thread = threading.Thread(target=look_for_it)
    thread.start()
    try:
        with (tmp_path / "log").open("w+") as log:
            session(beepy, log, talk=talk)
            log.seek(0)
            lines = log.read().splitlines()
    finally:
        stopped.set()
        thread.join()
    assert [line.split()[3] for line in lines] == ["list", "describe", "run", "run", "run"]
    assert all(line.startswith("mcp: call ") for line in lines)


def test_what_is_refused_and_what_is_canceled(beepy: Beepy, tmp_path: Path) -> None:
    directory = tmp_path / "recordings"
    directory.mkdir()
    (tmp_path / "probe.o").write_bytes(Path("/bin/true").read_bytes())
    (directory / "exits.rec").write_bytes(b"no recording")
    (directory / "link.rec").symlink_to("/etc/passwd")
    refusals = [
        ("run", {"image": "xdpcount"}, "program 'count' can change packets"),
        ("run", {"image": str(tmp_path / "probe.o")}, "files are not allowed"),
        ("run", {"image": "./probe.o"}, "files are not allowed"),
        ("run", {"image": "127.0.0.1:1/x:1"}, "127.0.0.1:1/x:1: not found locally"),
        ("run", {"image": "nosuch"}, "no image 'nosuch'"),
        ("run", {"image": "exitsnoop", "timeout": 61}, "timeout: 61 is greater than"),
        ("run", {"image": "exitsnoop", "count": 10_001}, "count: 10001 is greater than"),
        ("run", {"image": "exitsnoop", "binary": "/bin/sh"}, "'binary' was unexpected"),
        ("run", {"image": "exitsnoop", "container": ["../x"]}, "container.0: '../x' does not"),
        ("run", {"image": "exitsnoop", "where": "pid = 1"}, "column 5: expected =="),
        ("run", {"image": "exitsnoop", "set": {"nosuch": 1}}, "variable 'nosuch': not found"),
        ("run", {"image": "exitsnoop", "top": 3}, "top, by: expected both"),
        ("replay", {"recording": "link.rec"}, "recording 'link.rec': not found"),
        ("replay", {"recording": "../x"}, "does not match"),
        ("replay", {"recording": "exits.rec"}, "exits.rec: "),
        ("remove", {}, "tool 'remove': expected one of list, describe, run, replay"),
    ]

    async def talk(server: Session) -> None:
        for tool, arguments, why in refusals:
            answer = await server.ask(tool, **arguments)  # type: ignore[arg-type]
            assert isinstance(answer, str), answer
            assert why in answer
        listed = await server.ask("list")
        assert listed["recordings"] == ["exits.rec"]
        with anyio.move_on_after(1) as scope:
            await server.ask("run", image="exitsnoop", timeout=50)
        assert scope.cancelled_caught
        await server.ask("run", image="exitsnoop", timeout=0.1)

    with (tmp_path / "log").open("w+") as log:
        session(beepy, log, "--recordings", str(directory), talk=talk)
        log.seek(0)
        lines = log.read().splitlines()
    assert len(lines) == len(refusals) + 3
    assert ["canceled" in line for line in lines[-2:]] == [True, False]
    assert all(line.isprintable() for line in lines)


def test_what_is_allowed_and_what_was_recorded(beepy: Beepy, tmp_path: Path) -> None:
    recording = str(tmp_path / "opens.rec")
    with processes():
        done = beepy("run", "opensnoop", "-o", "none", "--count", "400", "--record", recording)
    assert done.code == 0
    archive = str(tmp_path / "exits.tar")
    assert beepy("tag", "exitsnoop", "mine:1").code == 0
    assert beepy("save", "mine:1", "-o", archive).code == 0

    async def talk(server: Session) -> None:
        for image, iface in (("xdpcount", "lo"), ("mine:1", ""), (archive, "")):
            arguments = {"iface": iface} if iface else {}
            summary = await server.ask("run", image=image, timeout=0.2, **arguments)
            assert summary["images"][0][:60] == image[:60]
        replayed = await server.ask("replay", recording="opens.rec")
        assert replayed["shown"] == 400
        rows = await server.ask("replay", recording="opens.rec", show="rows")
        assert 0 < len(rows["rows"]) < 400
        assert rows["cut"] is True
        assert isinstance(await server.ask("run", image="exitsnoop", timeout=2), str)

    options = (
        "--allow",
        "xdpcount",
        "--allow",
        archive,
        "--recordings",
        str(tmp_path),
        "--max-timeout",
        "1s",
    )
    with (tmp_path / "log").open("w+") as log:
        session(beepy, log, *options, talk=talk)


def message(method: str, params: object, number: int | None = None) -> bytes:
    content = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(content if number is None else {**content, "id": number}).encode() + b"\n"


def test_a_signal_ends_what_runs(beepy: Beepy) -> None:
    command = [sys.executable, "-W", "error", "-m", "beepy", "-v", "mcp"]
    who = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": WHO}
    call = {"name": "run", "arguments": {"image": "exitsnoop", "timeout": 50}}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(beepy.home),
    ) as server:
        assert server.stdin
        assert server.stderr
        server.stdin.write(message("initialize", who, 1))
        server.stdin.write(message("notifications/initialized", {}))
        server.stdin.write(message("tools/call", call, 2))
        server.stdin.flush()
        try:
            while b"attached to" not in (line := server.stderr.readline()):
                assert line
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
            assert b"Traceback" not in server.stderr.read()
        finally:
            server.kill()


def test_without_the_sdk_it_says_what_to_install(beepy: Beepy) -> None:
    code = "import sys; sys.modules['mcp'] = None; from beepy.__main__ import command; command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "mcp"],
        env=environment(beepy.home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "beepy: mcp: the package mcp is not installed",
        "note: python3 -m pip install 'beepy-ebpf[mcp]'",
    ]
