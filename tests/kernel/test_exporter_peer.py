"""Beside ebpf_exporter itself: the same metrics of its own examples, on the same workload.

Both run at once. All series only grow, and pages are read in turns: what we counted between two of
our pages is at least what it counted between its pages inside, and at most what it counted between
those outside::

    its page, ours, its page    ...workload...    its page, ours, its page
    |           |---- least ----|----------------|             |         |
    |-------------------------- most --------------------------------- --|
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.command import Beepy, Running, environment
from tests.support.scrape import get, page, until

EXAMPLES = os.environ.get("EBPF_EXPORTER_EXAMPLES", "")

pytestmark = [pytest.mark.kernel, pytest.mark.peer("ebpf_exporter")]

NAMES = (
    "biolatency",
    "cgroup",
    "kfree_skb",
    "percpu-softirq",
    "raw-tracepoints",
    "softirq-latency",
    "softirq-latency-net-rx",
    "syscalls",
    "timers",
    "uprobe",
)
"""Examples whose programs are tracepoints, raw tracepoints and uprobes."""


class Page(NamedTuple):
    """HELP and TYPE lines, and the samples by their text; not those of single programs."""

    heads: frozenset[str]
    samples: Mapping[str, float]

    @property
    def names(self) -> set[tuple[str, ...]]:
        """The names of the metrics with those of their labels."""
        return {
            (sample.partition("{")[0], *re.findall(r'[{,]([a-zA-Z_]\w*)="', sample))
            for sample in self.samples
        }


def parsed(text: str) -> Page:
    lines = [line for line in text.split("\n") if re.match(r"(# \w+ )?ebpf_exporter_", line)]
    lines = [line for line in lines if "ebpf_exporter_build_info" not in line]
    heads = frozenset(line for line in lines if line.startswith("#"))
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    samples = {name: float(value) for name, _, value in pairs if 'id="' not in name}
    return Page(heads, samples)


@pytest.fixture
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of an example in a directory of its own; EBPF_EXPORTER_EXAMPLES has them."""
    name = request.param
    if not EXAMPLES or not Path(EXAMPLES, f"{name}.bpf.o").exists():
        pytest.skip(f"EBPF_EXPORTER_EXAMPLES: no directory with {name}.yaml and {name}.bpf.o")
    for ending in (".yaml", ".bpf.o"):
        shutil.copy(Path(EXAMPLES, name + ending), tmp_path)
    return tmp_path / f"{name}.yaml"


@contextmanager
def theirs(pair: Path, prefix: tuple[str, ...] = ()) -> Iterator[tuple[Running, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [*prefix, "ebpf_exporter", f"--config.dir={pair.parent}"]
    command += [f"--config.names={pair.stem}", f"--web.listen-address={address}"]
    with Running(command, environment(pair.parent)) as running:
        running.until(lambda: b"Listening on" in running.err)
        yield running, f"http://{address}/metrics"


def read(url: str) -> Page:
    def text() -> str:
        try:
            return get(url)[2]
        except ConnectionError:  # it says that it listens before it does
            return ""

    return parsed(until(text, lambda text: "ebpf_exporter_enabled_configs" in text))


def workload() -> None:
    script = (
        "for i in $(seq 20); do ls / > /dev/null; sh -c :; done; "
        "cat /no/such/file 2> /dev/null; "
        "dd if=/dev/zero of=written bs=1M count=4 conv=fsync 2> /dev/null; rm written"
    )
    subprocess.run(["sh", "-c", script], check=True)
    with socket.socket(type=socket.SOCK_DGRAM) as sender:  # nobody listens there
        sender.sendto(b"x", ("127.0.0.1", 9))


def differences(their_url: str, our_url: str) -> list[object]:
    """Return in what two pages differ while a workload runs; see above."""
    outer = read(their_url)
    first = parsed(page(our_url))
    inner = read(their_url)
    workload()
    last_inner = read(their_url)
    last = parsed(page(our_url))
    last_outer = read(their_url)
    found: list[object] = [*last.heads ^ last_outer.heads, *last.names ^ last_outer.names]
    grown = 0
    for name in last.samples.keys() | last_inner.samples.keys():
        if re.search(r"_(bucket|sum)(\{|$)", name):  # each measures how long something took itself
            continue
        growth = last.samples.get(name, 0) - first.samples.get(name, 0)
        least = last_inner.samples.get(name, 0) - inner.samples.get(name, 0)
        most = last_outer.samples.get(name, 0) - outer.samples.get(name, 0)
        if not least <= growth <= most:
            found.append((name, least, growth, most))
        grown += growth > 0
    return found if grown else [*found, "nothing was counted"]


@pytest.mark.parametrize("pair", NAMES, indirect=True)
def test_the_same_metrics(
    beepy: Beepy, pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may come while an event is counted by one program and not yet by the other: repeat."""
    monkeypatch.chdir(tmp_path)
    arguments = ("-v", "run", str(pair), "-o", "none", "--prom-port", "0")
    with theirs(pair) as (_, their_url), beepy.start(*arguments) as running:
        running.until_attached()
        our_url = running.metrics()
        workload()  # so that no metric is without series
        until(lambda: differences(their_url, our_url), lambda found: not found)


SEND = """
import socket
with socket.socket(type=socket.SOCK_DGRAM) as sender:
    for _ in range(7):
        sender.sendto(b"x", ("127.0.0.1", 4242))
"""


@pytest.mark.parametrize("pair", ["xdp"], indirect=True)
def test_the_same_packets(beepy: Beepy, pair: Path) -> None:
    """An interface has one XDP program: each runs in a network namespace of its own."""
    prefix = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    apart = beepy._replace(prefix=prefix)
    arguments = ("-v", "run", str(pair), "-o", "none", "--prom-port", "0")
    with theirs(pair, prefix) as (their_run, their_url), apart.start(*arguments) as our_run:
        our_run.until_attached()
        our_url = our_run.metrics()
        found = []
        for running, url in ((their_run, their_url), (our_run, our_url)):
            enter = ["nsenter", "--target", str(running.process.pid), "--net", sys.executable, "-c"]
            subprocess.run([*enter, SEND], check=True)
            code = f"from tests.support.scrape import get; print(get({url!r})[2])"
            env = environment(pair.parent)
            done = subprocess.run([*enter, code], check=True, capture_output=True, env=env)
            lines = done.stdout.decode().split("\n")
            found.append([line for line in lines if 'dst_port="4242"' in line])
    assert found[0] == found[1]
    assert len(found[0]) == 1
    assert found[0][0].endswith(" 7")
