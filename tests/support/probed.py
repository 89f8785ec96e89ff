"""The program of probes.c, compiled and running, and the rows that a collection's rings give."""

import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from beepy.collection.collection import Collection
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.obj.spec import CollectionSpec
from beepy.source import parse
from beepy.streams import stream
from bpf import build
from tests.support.compiled import objects

SOURCE = Path(__file__).parent / "probes.c"


def compiled(folder: Path, *flags: str, source: Path = SOURCE) -> Path:
    """Compile the program, or another, or skip."""
    compiler = "cc" if shutil.which("cc") else build.compiler()
    if not compiler:
        pytest.skip("not installed: a C compiler")
    made = folder / source.stem
    subprocess.run(
        [compiler, "-Wall", "-Wextra", "-Werror", *flags, source, "-o", made], check=True
    )
    return made


def built(folder: Path, name: str) -> CollectionSpec:
    """Compile a program of bpf/, or skip."""
    return parse(objects(folder, [name])[name].read_bytes(), name=name)


class Probed:
    """The running program; ``pass_all`` lets it pass its probes, and returns their semaphore."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.program = program
        self.pid = self._process.pid

    def pass_all(self, number: int) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._process:
            pass


def rows(collection: Collection, provoke: Callable[[], object]) -> list[dict[str, Any]]:
    """Attach, let ``provoke`` make events, detach, and return the events."""
    with stream(collection) as events:
        collection.attach()
        provoke()
        events.stop()
        return list(decoded(list(events)))


def decoded(batches: Iterable[Batch]) -> Iterable[dict[str, Any]]:
    for batch in batches:
        decoder = Decoder(batch.schema)
        columns = decoder.values(batch, decoder.fields)
        for values in zip(*columns, strict=True):
            yield dict(zip([field.name for field in decoder.fields], values, strict=True))
