"""What numbers mean, beside what ss(8) and perf-script(1) say of the same ones."""

import json
import re
import shutil
import socket
import subprocess
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from beepy.enrich.symbols import Symbols
from tests.support.command import Beepy

pytestmark = pytest.mark.kernel

CONNECTIONS: Final = 20
SAMPLE: Final = re.compile(r"\s*([0-9a-f]+) (\S+)")
_HALF: Final = 1 << 63  # addresses of the kernel are above


def test_connections_beside_ss(beepy: Beepy) -> None:
    if not shutil.which("ss"):
        pytest.skip("ss is not installed")
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = server.getsockname()[1]
        where = f"sport == {port} or dport == {port}"
        running = stack.enter_context(
            beepy.start("-v", "run", "tcplife", "-o", "json", "--no-metrics", "--where", where)
        )
        running.until_attached()
        ends = []
        for _ in range(CONNECTIONS):
            ends.append(stack.enter_context(socket.create_connection(("127.0.0.1", port))))
            ends.append(stack.enter_context(server.accept()[0]))
        shown = subprocess.run(
            ["ss", "-tnH", "state", "established", "dport", "=", f":{port}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for end in ends:
            end.close()
        running.until(lambda: running.out.count(b"\n") >= CONNECTIONS)
        done = running.end()
    expected = {tuple(line.split()[-2:]) for line in shown.splitlines()}
    assert len(expected) == CONNECTIONS
    rows = [json.loads(line) for line in done.out.splitlines()]
    pairs = {(f"{r['saddr']}:{r['sport']}", f"{r['daddr']}:{r['dport']}") for r in rows}
    assert {pair if pair in expected else pair[::-1] for pair in pairs} == expected


def test_kernel_functions_beside_perf_script(tmp_path: Path) -> None:
    if not shutil.which("perf"):
        pytest.skip("perf is not installed")
    data = str(tmp_path / "perf.data")
    work = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=300000", "status=none"]
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-c", "1000000", "-o", data, "--", *work]
    subprocess.run(record, check=True, capture_output=True)
    script = subprocess.run(
        ["perf", "script", "-i", data, "-F", "ip,sym"], check=True, capture_output=True, text=True
    ).stdout
    at: dict[str, list[str]] = defaultdict(list)  # of several names at an address, perf takes one
    for line in Path("/proc/kallsyms").read_text().splitlines():
        address, _, name, *_ = line.split()
        at[name].append(address)
    symbols = Symbols()
    compared = 0
    for line in script.splitlines():
        if (match := SAMPLE.fullmatch(line)) and int(match[1], 16) >= _HALF:
            ours = symbols.function(int(match[1], 16))
            assert ours == match[2] or set(at[ours]) & set(at[match[2]]), line
            compared += 1
    assert compared >= 20
