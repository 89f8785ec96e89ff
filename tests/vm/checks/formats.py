"""A kprobe in images of other projects' formats: each shows what a call of the function did."""

import os
import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from beepy.oci.store import Store
from tests.support import packed
from tests.support.gadgets import Layout
from tests.support.trigger import TRIGGER, trigger
from tests.vm.checks.check import OBJECTS, YES, Check
from tests.vm.checks.command import Run
from tests.vm.checks.counted import Requirements, reason

_OBJECT: Final = "packed"
_NAME: Final = "x.example/packed:1"
_PARAMETERS: Final = b"name: packed\n"
_METRICS: Final = """
metrics:
  counters:
    - name: numbers_total
      help: Sum of the numbers by operation
      labels:
        - name: op
          size: 4
          decoders:
            - name: uint
"""


def _shown(show: Callable[[Path, bytes], None]) -> str:
    """Show the image, unless the kernel has no kprobes."""
    if why := reason(_OBJECT, Requirements(option="CONFIG_KPROBE_EVENTS")):
        return why
    with tempfile.TemporaryDirectory() as folder:
        show(Path(folder), (OBJECTS / f"{_OBJECT}.o").read_bytes())
    return YES


def gadget(folder: Path, program: bytes) -> None:
    """Show a record with its process, and the meaning of a number in it."""
    layout = Layout(folder / "layout")
    layout.gadget(_NAME, program, _PARAMETERS)
    with Run(_NAME, "--storage", str(layout.path), "-o", "json", "-v") as run:
        run.attached(1)
        trigger(3, 4, TRIGGER)
        row = run.row(lambda row: row["proc"]["pid"] == os.getpid())
    assert (row["map"], row["op"], row["number"]) == ("calls", 3, 4)
    assert (row["error_raw"], row["error"]) == (2, "ENOENT")
    assert row["proc"]["creds"]["user"] == "root"


def exporter(folder: Path, program: bytes) -> None:
    """Show a counter as rows, and as the metric that ebpf_exporter makes of it."""
    (folder / "pair.bpf.o").write_bytes(program)
    (folder / "pair.yaml").write_text(_METRICS)
    options = ("-o", "json", "-v", "--interval", "100ms", "--prom-port", "0")
    with Run(str(folder / "pair.yaml"), *options) as run:
        run.attached(1)
        trigger(3, 4, TRIGGER)
        trigger(3, 5, TRIGGER)
        row = run.row(lambda row: row["value"] == 9)
        run.line("metrics: ")
        url = re.search(r"metrics: (\S+)", run.told)
        assert url
        with urlopen(url[1]) as page:
            lines = page.read().decode().splitlines()
    assert row["op"] == 3
    assert 'ebpf_exporter_numbers_total{op="3"} 9' in lines


def bpfman(folder: Path, program: bytes) -> None:
    """Show a record and a table of an image whose labels say that its program is a kprobe."""
    store = Store(folder / "store")
    manifest = packed.bpfman(
        packed.Stored(store), program, {"enter": "kprobe"}, {"numbers_total": "hash"}
    )
    store.put(_NAME, manifest)
    chosen = ("--attach", "enter=cap_task_prctl", "--type", "numbers_total=u64")
    options = ("-o", "json", "-v", "--interval", "100ms", *chosen)
    with Run(_NAME, "--storage", str(folder / "store"), *options) as run:
        run.attached(1)
        trigger(3, 4, TRIGGER)
        record = run.row(lambda row: row["map"] == "events" and row["proc"]["pid"] == os.getpid())
        entry = run.row(lambda row: row["map"] == "numbers_total" and row["key"] == 3)
    assert (record["op"], record["number"], entry["value"]) == (3, 4, 4)


CHECKS: Final = tuple(
    [
        Check(f"kprobe, {name}", partial(_shown, show), (_OBJECT,))
        for name, show in (("gadget", gadget), ("ebpf_exporter", exporter), ("bpfman", bpfman))
    ]
)
