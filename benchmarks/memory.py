"""Measure private memory after ten seconds at 1,000 exits/s: ``python -m benchmarks.memory``.

It is RssAnon in /proc/PID/status: without the ring, the kernel's types and files of Python, which
processes share.
"""

import argparse
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Final

from benchmarks._peers import BEEPY, ROOT, clean_environment, exits, mount_tracing, tool
from benchmarks._report import limit, machine, table

RATE: Final = 1000
ROWS, METRICS, BEE, EXITSNOOP = "beepy -o json", "beepy -o none, scraped", "bee", "exitsnoop"


def commands(port: int, store: Path) -> dict[str, list[str]]:
    """Return the command lines, of bee and exitsnoop if they are installed."""
    lines = {
        ROWS: [*BEEPY, "run", "exitsnoop", "-o", "json", "--no-metrics"],
        METRICS: [*BEEPY, "run", "exitsnoop-counter", "-o", "none", "--prom-port", str(port)],
        BEE: [
            tool("bee"),
            "run",
            "--storage",
            str(store),
            "--no-tty",
            "--prom-port",
            str(port),
            "exitsnoop-counter",
        ],
        EXITSNOOP: [tool("exitsnoop")],
    }
    return {name: command for name, command in lines.items() if command[0]}


def measure(command: list[str], port: int, seconds: int) -> dict[str, float]:
    """Run ``command``; return its memory in MB. It is scraped if its arguments have ``port``."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        for _ in range(seconds):
            time.sleep(1)
            if str(port) in command:
                _scrape(port)
        if process.poll() is not None:
            assert process.stderr
            raise SystemExit(
                f"{' '.join(command)}: ended:\n{process.stderr.read().decode(errors='replace')}"
            )
        status = Path(f"/proc/{process.pid}/status").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()
    return {
        name: int(kilobytes) / 1024
        for name, kilobytes in re.findall(r"^(\w+):\s+(\d+) kB$", status, re.MULTILINE)
    }


def _scrape(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        while page.read(1 << 16):
            pass


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description="private memory of beepy and its peers at 1,000 exits/s"
    )
    parser.add_argument("--seconds", type=int, default=10, help="default: %(default)s")
    seconds = parser.parse_args().seconds
    mount_tracing()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        shutil.copytree(ROOT / "images", directory / "store")
        port = free_port()
        with exits(directory, RATE):
            used = {
                name: measure(command, port, seconds)
                for name, command in commands(port, directory / "store").items()
            }
    print(f"after {seconds} s at {RATE:,} exits/s, MB; {machine()}")
    columns = ("RssAnon", "RssFile", "RssShmem", "VmRSS", "VmHWM")
    table(
        ("", *columns),
        [(name, *[f"{sizes[column]:.1f}" for column in columns]) for name, sizes in used.items()],
    )
    limit("RssAnon of rows as JSON, MB", used[ROWS]["RssAnon"], 20)
    limit("RssAnon of metrics scraped once a second, MB", used[METRICS]["RssAnon"], 30)


if __name__ == "__main__":
    main()
