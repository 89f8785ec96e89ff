"""Mutate real objects, images and references: all soon end in a result or a BeepyError.

The limits are those of ``campaign``.
"""

import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest

from beepy.oci.lookup import bundled_store
from bpf import build
from tests import soak
from tests.oracle import embedded
from tests.support import campaign, exercise, mutate, mutate_images
from tests.support.campaign import Case
from tests.support.exercise import RESULT
from tests.support.mutate import Object

COUNT: Final = soak.times(10_000)
KINDS: Final = {"object": 78, "image": 9, "store": 4, "archive": 4, "reference": 5}  # in percent

# where errors are raised that concern no more than the container: the ELF file, the JSON text, the
# tar file
CONTAINERS: Final = ("obj.elf.", "oci.descriptor.parse_object", "oci.archive.")


class Source(NamedTuple):
    """An object to mutate, and the types in it."""

    name: str
    data: bytes
    types: bytes


def _sources(folder: Path) -> tuple[Source, ...]:
    """Return the objects of the images and, where they are available, of bpf/ and libbpf-tools."""
    store = bundled_store()
    found = {data: f"images/{name}" for name in store.names() for data in store.get(name).programs}
    if (clang := build.compiler()) and shutil.which("llvm-strip"):
        found |= {
            path.read_bytes(): f"bpf/{name}" for name, path in build.objects(folder, clang).items()
        }
    if not embedded.missing():
        found |= {one.data: f"{one.package}/{one.name}" for one in embedded.installed()}
    return tuple(Source(name, data, _types(data)) for data, name in found.items())


def _types(data: bytes) -> bytes:
    one = Object(data)
    section = one.of(".BTF")
    return b"" if section is None else one.content(section)


class Maker:
    """Makes each mutant."""

    def __init__(self, sources: Sequence[Source], folder: Path) -> None:
        self._sources = sources
        self._targets = [source.types for source in sources if source.types]
        self._folder = folder

    def __call__(self, rng: Random) -> Case:
        """Make a mutant, with what beepy does with it."""
        (kind,) = rng.choices(*zip(*KINDS.items(), strict=True))
        source = rng.choice(self._sources)
        match kind:
            case "object":
                data, _ = mutate.mutant(source.data, rng)
                return Case(
                    kind, data, partial(exercise.of_object, data, self._target(source, rng), rng)
                )
            case "image":
                layout = self._layout(source, rng)
                return Case(
                    kind,
                    layout.names,
                    partial(exercise.of_layout, layout, self._target(source, rng), rng),
                )
            case "store":
                layout, folder = self._layout(source, rng), self._folder / str(os.getpid())
                do = partial(exercise.of_store, layout, folder, self._target(source, rng), rng)
                return Case(kind, layout.names, do)
            case "archive":
                data = mutate_images.archive(self._layout(source, rng), rng)
                return Case(
                    kind, data, partial(exercise.of_archive, data, self._target(source, rng), rng)
                )
            case _:
                text = mutate_images.reference(rng)
                data = text.encode("utf-8", "surrogatepass")
                return Case("reference", data, partial(exercise.of_reference, text))

    def _layout(self, source: Source, rng: Random) -> mutate_images.Blobs:
        data = source.data if rng.random() < 0.5 else mutate.mutant(source.data, rng)[0]
        return mutate_images.mutant(data, rng)

    def _target(self, source: Source, rng: Random) -> bytes:
        """Return types that the object's own are related to, mutated."""
        return mutate.target(
            source.types if source.types and rng.random() < 0.8 else rng.choice(self._targets), rng
        )


@pytest.mark.soak
@pytest.mark.timeout(soak.times(900))
def test_mutants_end_in_results_or_errors(tmp_path: Path) -> None:
    sources = _sources(tmp_path / "objects")
    print(f"{len(sources)} objects")
    table = campaign.run("mutants", COUNT, Maker(sources, tmp_path))
    past = sum([count for (first, kind), count in table.items() if _is_past(first, kind)])
    assert past >= sum(table.values()) / 4


def _is_past(first: str, kind: str) -> bool:
    """Return whether a case got beyond its container."""
    return first == RESULT or (kind != "reference" and not first.split()[1].startswith(CONTAINERS))
