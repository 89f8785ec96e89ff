"""What a run says on stderr when everything is attached."""

from collections.abc import Iterator, Sequence
from typing import Final

from beepy import sections
from beepy.collection.collection import Collection
from beepy.launch import Loaded
from beepy.obj.spec import CollectionSpec, MapSpec, Role
from beepy.oci.image import Image
from beepy.sections import Mechanism
from beepy.text import safe
from beepy.uapi import HELPERS, MapType

_DESCRIPTION: Final = "org.opencontainers.image.description"
_TITLE: Final = "org.opencontainers.image.title"
_LEAST: Final = 20  # columns of a description: a shorter one says too little
_LISTED: Final = 8  # maps in a message
_NAME: Final = 15  # characters of a map's name that the kernel keeps
_PRINTS: Final = frozenset({HELPERS.index("trace_printk"), HELPERS.index("trace_vprintk")})


def attached(loaded: Sequence[Loaded]) -> list[tuple[Image, int]]:
    """Return each image, and how many of its programs are attached."""
    return [(one.image, sum(map(_attached, one.collections))) for one in loaded if one.image]


def lines(
    images: Sequence[tuple[Image, int]], limit: int | None, timeout: float | None, width: int | None
) -> Iterator[str]:
    """Yield a line for each image and the number of its programs, the last with how the run ends.

    ``limit`` is --count, ``timeout`` in seconds. Descriptions are cut to ``width`` characters, None: nothing is cut.
    """
    for number, (image, programs) in enumerate(images, 1):
        facts = "1 program" if programs == 1 else f"{programs or 'no'} programs"
        if number == len(images):
            facts += f"; {_end(limit, timeout)}"
        name = safe(image.name)
        described = _description(image)
        if width is not None:
            described = _shortened(described, width - len(f"{name}:  ({facts})"))
        yield f"{name}{f': {described}' if described else ''} ({facts})"


def nothing_shown(specs: Sequence[CollectionSpec]) -> Iterator[str]:
    """Yield lines for a run of which no map is shown: what there is, and what can be done."""
    maps = [one for spec in specs for one in spec.maps if one.contents is None and one.type != MapType.STRUCT_OPS]
    listed = ", ".join([f"{safe(one.name)} ({_kind(one)})" for one in maps[:_LISTED]])
    more = ", ..." if len(maps) > _LISTED else ""
    has = f"its maps: {listed}{more}" if maps else "there are no maps"
    yield f"warning: nothing will be shown, the programs only stay attached: {has}"
    if maps:
        prefixes = [f"{role}_NAME" for role in Role]
        yield f'note: maps are shown that are called {", ".join(prefixes[:-1])} or {prefixes[-1]} (in SEC(".maps"))'
        yield f"note: what is in a map: bpftool map dump name {safe(maps[0].name[:_NAME])}"
    from beepy.analysis import requirements  # noqa: PLC0415 - few runs show nothing

    if any(_PRINTS.intersection(requirements.helpers(one.insns)) for spec in specs for one in spec.loaded):
        yield "note: what programs print (bpf_printk): cat /sys/kernel/tracing/trace_pipe"


def _attached(collection: Collection) -> int:
    """Return how many programs are attached; some wait for something else to attach them, or were left out."""
    skipped = collection.skipped.reasons
    attached = [one for one in collection.programs.values() if one.name not in skipped]
    found = [sections.find(one.section) for one in attached]
    return len([hook for hook in found if hook and hook.mechanism is not Mechanism.ELSEWHERE])


def _description(image: Image) -> str:
    text = image.annotations.get(_DESCRIPTION) or image.annotations.get(_TITLE) or ""
    return safe(" ".join(text.split()))


def _shortened(text: str, room: int) -> str:
    """Return as many whole words as there is room for."""
    room = max(room, _LEAST)
    if len(text) <= room:
        return text
    words = text[: room - 3].rpartition(" ")[0] or text[: room - 4]
    return f"{words.rstrip(' ,;:')} ..."


def _end(limit: int | None, timeout: float | None) -> str:
    rows = [f"{limit} rows" if limit != 1 else "1 row"] if limit else []
    seconds = [f"{timeout:g} s"] if timeout else []
    return f"ends after {' or '.join(rows + seconds)}" if rows or seconds else "Ctrl-C ends"


def _kind(one: MapSpec) -> str:
    return MapType(one.type).name.lower() if one.type in set(MapType) else f"type {one.type}"
