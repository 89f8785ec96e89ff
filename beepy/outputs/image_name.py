"""Under which name rows have their image, where several images run."""

from collections.abc import Iterable

from beepy.events.decoder import Decoder

_NAME = "image"


def image_name(decoders: Iterable[Decoder]) -> str:
    """Return the name, "" if all maps are of one image: then no row says which.

    It is ``image``, with ``_`` behind it as often as a record has such a field.
    """
    decoders = tuple(decoders)
    if len({decoder.schema.image for decoder in decoders}) < 2:
        return ""
    taken = {field.path[0] for decoder in decoders for field in decoder.fields}
    name = _NAME
    while name in taken:
        name += "_"
    return name
