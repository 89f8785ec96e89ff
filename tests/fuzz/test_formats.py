"""Mutate what images of other formats say beside their objects: each ends as any mutant does."""

import json
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests import soak
from tests.support import campaign, compiled, exercise, mutate_formats
from tests.support.campaign import Case
from tests.support.eunomia import SOURCE
from tests.support.exercise import RESULT
from tests.support.mutate_formats import FORMATS
from tests.support.objects import Object

COUNT: Final = soak.times(1000)
EMPTY: Final = Object().btf.data()

PROGRAMS: Final = {
    "gadget": ("gadget_trace", "gadget_top", "gadget_snap"),
    "exporter": ("exporter",),
    "bpfman": ("redirect", "tables"),
    "eunomia": (),
}
"""The sources of bpf/test whose objects images of a format have."""


class Maker:
    """Makes each mutant."""

    def __init__(self, folder: Path) -> None:
        names = [name for of_format in PROGRAMS.values() for name in of_format]
        paths = compiled.objects(folder / "objects", names)
        self.programs = {
            name: [paths[program].read_bytes() for program in programs]
            for name, programs in PROGRAMS.items()
        }
        self.programs["eunomia"] = [compiled.compile_text(folder, SOURCE).read_bytes()]

    def __call__(self, rng: Random) -> Case:
        """Make a mutant, with what beepy does with it."""
        name = rng.choice(sorted(FORMATS))
        program = rng.choice(self.programs[name])
        layout = mutate_formats.mutant(FORMATS[name], program, rng)
        data = json.dumps([blob.decode("latin-1") for blob in layout.blobs.values()]).encode()
        return Case(name, data, partial(exercise.of_layout, layout, EMPTY, rng))


def test_the_formats_are_read_as_they_are(tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    for name, form in FORMATS.items():
        layout = form.image(maker.programs[name][0], json.dumps(form.metadata).encode())
        told = exercise.of_layout(layout, EMPTY, Random(1))
        assert not [line for line in told if not line.startswith(("UsageError", RESULT))]


@pytest.mark.soak
def test_mutated_metadata_ends_in_results_or_errors(tmp_path: Path) -> None:
    table = campaign.run("formats", COUNT, Maker(tmp_path))
    accepted = {kind for first, kind in table if not first.startswith("UnsupportedImage")}
    assert accepted == {*FORMATS}
