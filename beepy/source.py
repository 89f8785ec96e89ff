"""An image or an object's bytes -> CollectionSpec, with what its maps mean."""

from pathlib import Path

from beepy.events import roles
from beepy.obj.parse import parse as parse_object
from beepy.obj.spec import CollectionSpec
from beepy.oci.image import Image


def parse(
    source: Image | bytes | str | Path, program: int = 0, name: str = "object", *, warn: bool = True
) -> CollectionSpec:
    """Return all that one object holds; of an Image, or of one that is named, its ``program``-th one.

    ``name`` is for messages and schemas where ``source`` has none. ``warn``: of each map that has a role and cannot be
    shown a warning says why. Raises ObjectError for what is malformed, IndexError
    for a program that the image does not have.
    """
    if isinstance(source, Image):
        data, name = source.programs[program], source.name
        return roles.assign(parse_object(data, name, source.format, source.hints), warn=warn)
    if isinstance(source, bytes):
        return roles.assign(parse_object(source, name), warn=warn)
    if isinstance(source, str | Path):
        from beepy.oci import lookup  # noqa: PLC0415 - only where an image is named

        return parse(lookup.find(source), program, warn=warn)
    from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

    raise wrong_type("source", "an image, its name, or the bytes of an object", source)
