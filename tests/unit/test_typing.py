"""What type checkers report for the public names: five errors, and none in correct code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT

WRONG = """\
import beepy

spec = beepy.parse(beepy.find("exitsnoop"))
with beepy.load(spec) as collection, beepy.stream(collection) as stream:
    collection.atach()  # error
    stream.nosuch()  # error
    for batch in stream:
        beepy.Decoder(42)  # error
beepy.load(spec, variabels={"x": 1})  # error
beepy.nosuch()  # error
"""
WRONG_RUNS = """\
import beepy

for event in beepy.run("exitsnoop", timout=5):  # error
    print(event.comm)
with beepy.open("exitsnoop", timeout="5") as run:  # error
    run.atach()  # error
    print(run.stats.show)  # error
    run.table(7)  # error
"""
RIGHT = """\
import asyncio
from collections.abc import Iterator, Sequence

import beepy


class Counted:
    def open(self, decoders: Sequence[beepy.Decoder]) -> None:
        self.rows = 0

    def write(self, batch: beepy.Batch) -> None:
        self.rows += batch.records

    def close(self) -> None:
        pass


async def rows_of(run: beepy.Run) -> int:
    return sum([len(rows) async for rows in run])


def names(options: beepy.Options) -> list[str]:
    return [entry.name for entry in beepy.images(options)]


def events() -> Iterator[tuple[str, int]]:
    variables = {"trace_failed_only": True}
    for event in beepy.run("exitsnoop", variables=variables, filters="comm,^a", timeout=5):
        yield event.comm, event["exit_code"]


def main() -> None:
    image: beepy.Image = beepy.find("exitsnoop")
    pins = beepy.Pins(maps="/x")
    with beepy.open(image, targets={"a": "b"}, pull="never", missing="skip", pins=pins) as run:
        sink: beepy.Sink = Counted()
        run.add_sink(sink)
        source: beepy.Source = run.source
        run.attach()
        tables = {name: dict(table) for name, table in run.maps.items()}
        for rows in run:
            print(rows.map, rows.lost, rows.column("pid"), [row.asdict() for row in rows])
            print(tables, source)
        asyncio.run(rows_of(run))
        lost: int | None = run.stats.total_lost
        print(lost)
    with beepy.load("exitsnoop", targets={"a": beepy.Target("b"), "c": "d"}) as collection:
        collection.attach()
"""


OPTIONS = {
    "mypy": ["--strict", "--no-error-summary", "--cache-dir", "mypy"],
    "pyright": ["--pythonpath", sys.executable],
}


@pytest.mark.parametrize("script", [WRONG, WRONG_RUNS, RIGHT], ids=["verbs", "runs", "right"])
@pytest.mark.parametrize("checker", OPTIONS)
def test_type_checkers_find_what_is_wrong(checker: str, script: str, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(script)
    command = [sys.executable, "-m", checker, *OPTIONS[checker], str(path)]
    ran = subprocess.run(
        command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=250
    )
    found = {int(line) for line in re.findall(r"script\.py:(\d+):(?:\d+ -)? error", ran.stdout)}
    expected = {
        number for number, line in enumerate(script.splitlines(), 1) if line.endswith("# error")
    }
    assert found == expected, ran.stdout + ran.stderr


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "beepy" / "py.typed").exists()
