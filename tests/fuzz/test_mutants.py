"""Broken input: whatever an object, an image or a reference holds, it ends in a result or in a BeepyError, soon.

``BEEPY_MUTANTS`` is how many there are, ``BEEPY_SEED`` what they are made from. ``BEEPY_MUTANT=NUMBER`` makes that one
alone, in this process, and leaves it in the test's folder.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest

from beepy.oci.lookup import bundled_store
from bpf import build
from tests.oracle import embedded
from tests.writers import exercise, measured, mutate, mutate_images
from tests.writers.exercise import RESULT
from tests.writers.mutate import Object

COUNT: Final = int(os.environ.get("BEEPY_MUTANTS", "20000"))
SEED: Final = os.environ.get("BEEPY_SEED", "1")
KINDS: Final = {"object": 78, "image": 9, "store": 4, "archive": 4, "reference": 5}  # in percent

# where errors are raised that concern no more than the container: the ELF file, the JSON text, the tar file
CONTAINERS: Final = ("obj.elf.", "oci.descriptor.parse_object", "oci.archive.")


class Source(NamedTuple):
    """An object to mutate, and the types in it."""

    name: str
    data: bytes
    types: bytes


def _sources(folder: Path) -> tuple[Source, ...]:
    """Return the objects: those of the images, and those of bpf/ and of libbpf-tools where they can be had."""
    store = bundled_store()
    found = {data: f"images/{name}" for name in store.names() for data in store.get(name).programs}
    if (clang := build.compiler()) and shutil.which("llvm-strip"):
        found |= {path.read_bytes(): f"bpf/{name}" for name, path in build.objects(folder, clang).items()}
    if not embedded.missing():
        found |= {one.data: f"{one.package}/{one.name}" for one in embedded.installed()}
    return tuple(Source(name, data, _types(data)) for data, name in found.items())


def _types(data: bytes) -> bytes:
    one = Object(data)
    section = one.of(".BTF")
    return b"" if section is None else one.content(section)


class Maker:
    """Makes each mutant from its number."""

    def __init__(self, sources: Sequence[Source], folder: Path) -> None:
        self._sources = sources
        self._targets = [source.types for source in sources if source.types]
        self._folder = folder
        self.keep = False

    def kind(self, number: int) -> str:
        """Return what the mutant of that number is."""
        (kind,) = Random(f"{SEED}:{number}:kind").choices(*zip(*KINDS.items(), strict=True))
        return str(kind)

    def __call__(self, number: int) -> Callable[[], list[str]]:
        """Make the mutant of that number; return what does with it what beepy does."""
        rng = Random(f"{SEED}:{number}")
        source = rng.choice(self._sources)
        match self.kind(number):
            case "object":
                data, _ = mutate.mutant(source.data, rng)
                self._kept(data)
                return partial(exercise.of_object, data, self._target(source, rng), rng)
            case "image":
                return partial(exercise.of_layout, self._layout(source, rng), self._target(source, rng), rng)
            case "store":
                folder = self._folder / str(os.getpid())
                layout = self._layout(source, rng)
                return partial(exercise.of_store, layout, folder, self._target(source, rng), rng)
            case "archive":
                data = mutate_images.archive(self._layout(source, rng), rng)
                self._kept(data)
                return partial(exercise.of_archive, data, self._target(source, rng), rng)
            case _:
                return partial(exercise.of_reference, mutate_images.reference(rng))

    def _layout(self, source: Source, rng: Random) -> mutate_images.Blobs:
        data = source.data if rng.random() < 0.5 else mutate.mutant(source.data, rng)[0]
        return mutate_images.mutant(data, rng)

    def _target(self, source: Source, rng: Random) -> bytes:
        """Return types that the object's own are related to, mutated."""
        return mutate.target(source.types if source.types and rng.random() < 0.8 else rng.choice(self._targets), rng)

    def _kept(self, data: bytes) -> None:
        if self.keep:
            (self._folder / "mutant").write_bytes(data)


@pytest.mark.timeout(900)
def test_mutants_end_in_results_or_errors(tmp_path: Path) -> None:
    sources = _sources(tmp_path / "objects")
    maker = Maker(sources, tmp_path)
    if "BEEPY_MUTANT" in os.environ:
        maker.keep = True
        print(maker.kind(number := int(os.environ["BEEPY_MUTANT"])), number, maker(number)(), tmp_path)
        return
    print(f"{COUNT} mutants of {len(sources)} objects, BEEPY_SEED={SEED}")
    table: Counter[tuple[str, str]] = Counter()
    past, spent = 0, 0.0
    wrong = []
    slowest = largest = measured.Outcome(0, [], broken=False, seconds=0, memory=0)
    for outcome in measured.run(range(COUNT), maker):
        kind = maker.kind(outcome.job)
        spent += outcome.seconds
        slowest = max(slowest, outcome, key=lambda one: one.seconds)
        largest = max(largest, outcome, key=lambda one: one.memory)
        if outcome.wrong:
            wrong.append(f"BEEPY_MUTANT={outcome.job} ({kind}): {outcome}")
            continue
        first = outcome.told[0]
        table[first, kind] += 1
        past += first == RESULT or (kind != "reference" and not first.split()[1].startswith(CONTAINERS))
    _show(table)
    print(f"{spent:.0f} s of CPU; past the first header: {past} of {COUNT}")
    for what, one in (("slowest", slowest), ("largest", largest)):
        print(f"{what}: mutant {one.job}: {one.seconds:.3f} s, {one.memory / (1 << 20):.1f} MiB above the parent")
    assert not wrong, "\n".join(wrong)
    assert past >= COUNT / 4


def _show(table: Counter[tuple[str, str]]) -> None:
    rows: Counter[str] = Counter()
    for (outcome, _), count in table.items():
        rows[outcome] += count
    print(f"{'':62}{''.join(f'{kind:>10}' for kind in KINDS)}{'all':>10}")
    for row, count in rows.most_common():
        cells = "".join([f"{table[row, kind] or '':>10}" for kind in KINDS])
        print(f"{row:62}{cells}{count:>10}")
