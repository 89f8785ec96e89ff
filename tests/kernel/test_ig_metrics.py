"""The metrics of a gadget of our own, beside those that ig itself makes of it."""

import os
import shutil
import socket
import tarfile
from pathlib import Path

import pytest

from tests.kernel.conftest import ObjectOf
from tests.support import apart
from tests.support.command import Beepy, Running
from tests.support.gadget_peers import SCRIPT
from tests.support.gadgets import Layout
from tests.support.scrape import get, until
from tests.support.trigger import trigger

pytestmark = [pytest.mark.kernel, pytest.mark.peer("ig")]

NAME = "ghcr.io/inspektor-gadget/gadget/top:latest"
METADATA = b"""
datasources:
  calls:
    annotations: {metrics.collect: "true"}
    fields:
      op: {annotations: {metrics.type: key}}
      calls: {annotations: {metrics.type: counter, metrics.description: calls by operation}}
      sum_raw: {annotations: {metrics.type: gauge, metrics.name: the.last, metrics.unit: By}}
  latencies:
    annotations: {metrics.collect: "true"}
    fields:
      latency: {annotations: {metrics.type: histogram, metrics.unit: us}}
"""
# labels that ig gives no value, which is as if they were not there
EMPTY = ('otel_scope_schema_url="",', 'otel_scope_version="",')
OTHERS = ("go_", "process_", "promhttp_", "target_info", "beepy_", "# HELP", "# EOF")


def samples(text: str) -> list[str]:
    """Return types and samples of gadgets' metrics, but for buckets."""
    for label in EMPTY:
        text = text.replace(label, "").replace(f",{label.rstrip(',')}", "")
    lines = [line.removeprefix("# TYPE ") for line in text.split("\n") if line]
    return sorted([line for line in lines if not line.startswith(OTHERS) and "_bucket" not in line])


def page(url: str) -> list[str]:
    try:
        return samples(get(url)[2])
    except ConnectionError:  # it does not listen yet
        return []


def test_the_same_metrics(beepy: Beepy, tmp_path: Path, object_of: ObjectOf) -> None:
    """Their buckets differ: ig gives those of 16 to 31 the bound 16."""
    layout = Layout(tmp_path / "layout")
    layout.gadget(NAME, Path(object_of("gadget_top")).read_bytes(), METADATA)
    archive = tmp_path / "top.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(layout.path, ".")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    listen = ["--otel-metrics-listen", f"--otel-metrics-listen-address={address}"]
    listen.append("--otel-metrics-name=calls:calls,latencies:latencies")
    ig = ["sh", "-ec", SCRIPT, "sh", shutil.which("ig") or "", str(archive), NAME, "-o", "json"]
    run = ("-v", "run", str(archive), "-o", "none", "--prom-port", "0")
    url, first = f"http://{address}/metrics", os.getpid() << 8  # others may trigger events, too
    with (
        beepy.start(*run) as ours,
        Running([*apart.command(), *ig, *listen], {**os.environ}) as theirs,
    ):
        ours.until_attached()
        our_url = ours.metrics()

        def has_begun() -> bool:  # ig does not say when it is
            assert theirs.process.poll() is None, theirs.err
            trigger(first)
            return any(f'"{first}"' in line for line in page(url))

        until(has_begun, bool)
        ops = {str(first + number): number for number in range(1, 9)}
        for op, number in ops.items():
            trigger(int(op), number)

        def of_ops(lines: list[str]) -> list[str]:
            return [line for line in lines if line.partition('op="')[2].partition('"')[0] in ops]

        expected = until(lambda: of_ops(page(url)), lambda lines: len(lines) == 2 * len(ops))
        found = until(lambda: of_ops(page(our_url)), lambda lines: len(lines) == 2 * len(ops))
        names = [{line.partition("}")[0] for line in page(of)} for of in (url, our_url)]
    assert found == expected
    kinds = [{name for name in found_names if "op=" not in name} for found_names in names]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) == 5  # types of three metrics, _count and _sum
