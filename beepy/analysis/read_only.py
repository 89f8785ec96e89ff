"""Refuse programs that can change more than their own maps: ``--read-only``."""

from collections.abc import Iterable, Iterator

from beepy.analysis import effects
from beepy.errors import UntrustedImage, worded
from beepy.obj.pinning import Pins
from beepy.obj.spec import CollectionSpec
from beepy.text import excerpt, safe
from beepy.uapi import MapType


def check(specs: Iterable[CollectionSpec], pins: Pins, where: str) -> None:
    """Raise UntrustedImage for an image with a program that can change more than its own maps.

    ``pins`` are those of the run. ``where`` says who asks, for the message.
    """
    for spec in specs:
        for subject, changes in _changes(spec, pins):
            name = excerpt(spec.name, 200)
            listed = ", ".join([excerpt(change, 200) for change in changes])
            error = UntrustedImage(worded(f"{name}: {where}: {subject} can change {listed}"))
            error.add_note("beepy describe shows all that an image can change")
            raise error


def _changes(spec: CollectionSpec, pins: Pins) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each program that is loaded, and each map, that can change something else."""
    maps = effects.of_maps(spec, pins)
    for program in spec.loaded:
        if changes := effects.of_program(program, maps):
            yield f"program '{safe(program.name)}'", changes
    for map_spec in spec.maps:
        if map_spec.type == MapType.STRUCT_OPS and map_spec.autoload:
            yield f"map '{safe(map_spec.name)}'", (maps[map_spec.name],)
