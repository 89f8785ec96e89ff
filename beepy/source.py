"""An image or an object's bytes -> CollectionSpec, with what its maps mean."""

from beepy.events import roles
from beepy.obj.parse import parse as parse_object
from beepy.obj.spec import CollectionSpec
from beepy.oci.image import Image


def parse(source: Image | bytes, program: int = 0, name: str = "object", *, warn: bool = True) -> CollectionSpec:
    """Return all that one object holds; of an Image its ``program``-th one.

    ``name`` is for messages and schemas where ``source`` has none. ``warn``: of each map that has a role and cannot be
    shown a warning says why. Raises ObjectError for what is malformed, IndexError
    for a program that the image does not have.
    """
    if isinstance(source, Image):
        data, name = source.programs[program], source.name
        return roles.assign(parse_object(data, name, source.format, source.hints), warn=warn)
    return roles.assign(parse_object(source, name), warn=warn)
