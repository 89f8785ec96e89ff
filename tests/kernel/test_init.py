"""Every program that ``beepy init`` writes is built, and shows an event that is made here."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from beepy.toolchain.scaffold import MAPS, OUTPUTS, PROGRAMS
from tests.support import scrape
from tests.support.command import Beepy, Running

pytestmark = pytest.mark.kernel

NEEDED: Final = ("clang", "llvm-strip", "bpftool")


def connect(_directory: Path) -> dict[str, object]:
    """Connect to a port where nobody listens; return what an event says of it."""
    with socket.socket() as reserved, socket.socket() as client:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", port))
    return {"daddr": "127.0.0.1", "dport": port}


def open_file(directory: Path) -> dict[str, object]:
    """Open a file; return what an event says of it."""
    path = directory / "opened"
    path.touch()
    return {"fname": str(path)[:127], "uid": os.getuid()}


EVENTS: Final[dict[str, Callable[[Path], dict[str, object]]]] = {
    "Network": connect,
    "FileSystem": open_file,
}


def is_event(row: dict[str, Any], expected: dict[str, object]) -> bool:
    """Tell whether a row is of this process and has the members of ``expected`` that it has."""
    comm = Path("/proc/self/comm").read_text().rstrip("\n")
    return row["comm"] == comm and all(
        row[name] == value for name, value in expected.items() if name in row
    )


def rows(running: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in running.out.decode().split("\n")[:-1]]


@pytest.mark.parametrize(("program", "map_type", "output"), [*product(PROGRAMS, MAPS, OUTPUTS)])
def test_it_is_built_and_shows_an_event(
    beepy: Beepy, tmp_path: Path, program: str, map_type: str, output: str
) -> None:
    if missing := [name for name in NEEDED if not shutil.which(name)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    source, built = tmp_path / "probe.c", tmp_path / "probe.o"
    words = ("--program-type", program, "-m", map_type, "-o", output, "-f", str(source))
    assert beepy("init", *words) == (0, f"{source}\n", "")
    done = beepy("build", str(source))
    assert (done.code, done.err) == (0, ""), done.err
    name = f"{output}_{PROGRAMS[program].events}"
    # other processes of a busy machine would fill its map
    ours = ("--comm", Path("/proc/self/comm").read_text().rstrip("\n"))
    arguments = ("-o", "json", "--prom-port", "0", "--interval", "100ms", *ours)
    with beepy.start("-v", "run", str(built), *arguments) as running:
        running.until_attached()
        expected = EVENTS[program](tmp_path)
        running.until(lambda: any(is_event(row, expected) for row in rows(running)))
        row = next(row for row in rows(running) if is_event(row, expected))
        assert row["map"] == name
        if map_type == "HashMap" or output == "gauge":
            assert row["value"] > 0
        if output != "print":
            url = running.metrics()
            found = f'ebpf_solo_io_{name}{{comm="{row["comm"]}",'
            page = scrape.until(lambda: scrape.page(url), lambda text: found in text)
            assert f"# TYPE ebpf_solo_io_{name} {output}\n" in page
        assert running.end().code == 0
