"""Load grown and mutated objects into the kernel: all end in results and BeepyErrors.

Nothing is attached or pinned, maps are small, and only programs of types that decide nothing are
loaded.
"""

import os
from functools import partial
from random import Random
from typing import Final

import pytest

from beepy import sections
from beepy.collection.load import load
from beepy.kernel.btf import vmlinux
from beepy.obj.spec import CollectionSpec, DataRef, MapRef, MapSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from beepy.uapi import MapType, ProgType
from tests import soak
from tests.support import campaign, exercise, grow, mutate
from tests.support.campaign import Case

COUNT: Final = soak.times(200)
_TYPES: Final = (
    ProgType.SOCKET_FILTER,
    ProgType.KPROBE,
    ProgType.TRACEPOINT,
    ProgType.RAW_TRACEPOINT,
    ProgType.XDP,
)
_MAX_ENTRIES: Final = 4096
_MAX_BYTES: Final = 1 << 16  # of a key or value


def _harmless(spec: CollectionSpec) -> CollectionSpec:
    maps = [_small(one) for one in spec.maps if one.type != MapType.STRUCT_OPS]
    names = {one.name for one in maps}
    programs = [
        program
        for program in spec.programs
        if (hook := sections.find(program.section))
        and hook.prog_type in _TYPES
        and all(ref.map in names for ref in program.refs if isinstance(ref, MapRef | DataRef))
    ]
    return spec._replace(programs=tuple(programs), maps=tuple(maps))


def _small(one: MapSpec) -> MapSpec:
    return one._replace(
        max_entries=min(one.max_entries, _MAX_ENTRIES),
        key_size=min(one.key_size, _MAX_BYTES),
        value_size=min(one.value_size, _MAX_BYTES),
        contents=one.contents if one.value_size <= _MAX_BYTES else None,
        pinning=0,
        slots=(),
        inner=_small(one.inner) if one.inner else None,
    )


def _loaded(data: bytes) -> list[str]:
    told = exercise.Told()
    told.step(lambda: load(_harmless(parse(data))).close())
    return told.lines()


@pytest.mark.soak
def test_what_is_loaded_ends_in_results_or_errors() -> None:
    if os.geteuid():
        pytest.skip("needs root")
    vmlinux()  # is read once, by the parent
    store = bundled_store()
    objects = [data for name in store.names() for data in store.get(name).programs]

    def make(rng: Random) -> Case:
        grown = rng.random() < 0.5
        data = grow.grown(rng) if grown else mutate.mutant(rng.choice(objects), rng)[0]
        return Case("grown" if grown else "mutant", data, partial(_loaded, data))

    campaign.run("load", COUNT, make)
