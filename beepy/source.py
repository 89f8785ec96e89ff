"""An image or an object's bytes -> CollectionSpec with its tracked maps: the one door for run, describe and check."""

from typing import Final

from beepy import conventions
from beepy.log import Log
from beepy.obj import parse as obj_parse
from beepy.obj.spec import CollectionSpec
from beepy.oci.image import Image
from beepy.text import safe

_log = Log(__name__)

_MAX_WARNINGS: Final = 10  # maps that are not shown, each with its reason


def parse(source: Image | bytes, program: int = 0, name: str = "object", *, warn: bool = True) -> CollectionSpec:
    """Return all that one object holds; of an Image its ``program``-th one.

    ``name`` is for messages and schemas where ``source`` has none. ``warn``: log a warning for each map that has a
    role and cannot be shown; the result has them in ``not_shown``. Raises ObjectError for a malformed object,
    IndexError for a program that the image does not have.
    """
    if isinstance(source, Image):
        spec = obj_parse.parse(source.programs[program], source.name)
        spec = conventions.apply(spec, source.format, source.hints)
    else:
        spec = conventions.apply(obj_parse.parse(source, name), "elf")
    if warn:
        _warn(spec)
    return spec


def parse_all(image: Image, *, warn: bool = True) -> list[CollectionSpec]:
    """Return what each program of the image holds, as ``parse`` does."""
    return [parse(image, number, warn=warn) for number in range(len(image.programs))]


def _warn(spec: CollectionSpec) -> None:
    """Log why maps are not shown; those beyond the first few are counted."""
    for refused in spec.not_shown[:_MAX_WARNINGS]:
        _log.warning("map '%s': not shown: %s", safe(refused.map), refused.reason)
    if len(spec.not_shown) > _MAX_WARNINGS:
        _log.warning("%d more maps: not shown", len(spec.not_shown) - _MAX_WARNINGS)
