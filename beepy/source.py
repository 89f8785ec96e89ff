"""Parse an image or the bytes of an object into a CollectionSpec with its tracked maps.

``run``, ``describe`` and ``check`` all come through here.
"""

from pathlib import Path
from typing import Final

from beepy import conventions
from beepy.log import Log
from beepy.obj import parse as obj_parse
from beepy.obj.spec import CollectionSpec
from beepy.oci.image import Image
from beepy.text import safe

_log = Log(__name__)

_MAX_WARNINGS: Final = 10  # about maps that are not shown


def parse(
    source: Image | bytes | str | Path, program: int = 0, name: str = "object", *, warn: bool = True
) -> CollectionSpec:
    """Return the spec of one object: that of bytes, or object number ``program`` of an image.

    ``name`` is the name of bytes in messages and schemas. ``warn``: log a warning for each map that
    has a role and cannot be shown; the spec has them in ``not_shown``. Raises ObjectError for a
    malformed object, IndexError if the image has no object of that number.
    """
    if isinstance(source, Image):
        spec = obj_parse.parse(source.programs[program], source.name)
        spec = conventions.apply(spec, source.format, source.hints)
        if spec.convention == conventions.AUTOMATIC and len(source.programs) > 1:
            spec = parse_all(source, warn=False)[program]  # the others may have roles
    elif isinstance(source, bytes):
        spec = conventions.apply(obj_parse.parse(source, name), "elf")
    elif isinstance(source, str | Path):
        from beepy.oci import lookup  # noqa: PLC0415 - only where an image is named

        return parse(lookup.find(source), program, warn=warn)
    else:
        from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

        raise wrong_type("source", "an image, its name, or the bytes of an object", source)
    if warn:
        warn_of(spec)
    return spec


def parse_all(image: Image, *, warn: bool = True) -> list[CollectionSpec]:
    """Return the specs of all objects of the image, as ``parse`` does."""
    parsed = [obj_parse.parse(program, image.name) for program in image.programs]
    specs = conventions.apply_all(parsed, image.format, image.hints)
    for spec in specs if warn else ():
        warn_of(spec)
    return specs


def warn_of(spec: CollectionSpec) -> None:
    """Log why maps are not shown: the first few with their reasons, and how many more there are.

    Log what was guessed of those that are shown, and which programs may count twice, too.
    """
    for text in spec.unsupported[:_MAX_WARNINGS]:
        _log.warning("%s", text)
    if len(spec.unsupported) > _MAX_WARNINGS:
        _log.warning("%d more parts: not supported", len(spec.unsupported) - _MAX_WARNINGS)
    if any(tracked.reason for tracked in spec.tracked) or any(
        hidden.by_choice for hidden in spec.not_shown
    ):
        from beepy.conventions import notices  # noqa: PLC0415 - the automatic convention's

        for text in notices.of(spec):
            _log.warning("%s", text)
    if spec.convention == conventions.AUTOMATIC and len(spec.programs) > 1:
        from beepy.conventions import variants  # noqa: PLC0415 - images of bee have none

        for text in variants.of(spec):
            _log.warning("%s", text)
    refused = [hidden for hidden in spec.not_shown if not (hidden.by_choice or hidden.internal)]
    for hidden in refused[:_MAX_WARNINGS]:
        _log.warning("map '%s': not shown: %s", safe(hidden.map), hidden.reason)
    if len(refused) > _MAX_WARNINGS:
        _log.warning("%d more maps: not shown", len(refused) - _MAX_WARNINGS)
