"""The lines on stderr when everything is attached."""

from collections.abc import Iterator, Sequence
from typing import Final

from beepy import sections
from beepy.collection.collection import Collection
from beepy.conventions import AUTOMATIC
from beepy.launch import Loaded
from beepy.obj.spec import CollectionSpec, MapSpec, Role
from beepy.oci.image import Image
from beepy.oci.manifest import DESCRIPTION, TITLE
from beepy.sections import Mechanism
from beepy.text import safe
from beepy.uapi import HELPERS, MapType

_MIN_DESCRIPTION: Final = 20  # columns: a shorter one says too little
_MAX_MAPS: Final = 8  # in a message
_MAX_NAME: Final = 15  # characters of a map's name that the kernel keeps (BPF_OBJ_NAME_LEN - 1)
_PRINT_HELPERS: Final = frozenset({HELPERS.index("trace_printk"), HELPERS.index("trace_vprintk")})


def attached(loaded: Sequence[Loaded]) -> list[tuple[Image, int]]:
    """Return each image with the number of its attached programs."""
    return [
        (item.image, sum(map(_count_attached, item.collections))) for item in loaded if item.image
    ]


def lines(
    images: Sequence[tuple[Image, int]], limit: int | None, timeout: float | None, width: int | None
) -> Iterator[str]:
    """Yield a line for each image with the number of its programs; the last says how the run ends.

    ``limit`` is --count, ``timeout`` in seconds. Descriptions are shortened so that a line fits
    ``width``, unless it is None.
    """
    for number, (image, programs) in enumerate(images, 1):
        facts = "1 program" if programs == 1 else f"{programs or 'no'} programs"
        if number == len(images):
            facts += f"; {_end(limit, timeout)}"
        name = safe(image.name)
        description = _description(image)
        if width is not None:
            description = _shortened(description, width - len(f"{name}:  ({facts})"))
        yield f"{name}{f': {description}' if description else ''} ({facts})"


def nothing_shown(specs: Sequence[CollectionSpec], *, traced: bool = False) -> Iterator[str]:
    """Yield lines for a run that shows no map: which maps there are, and how to see them.

    ``traced``: what programs print is shown (--trace).
    """
    maps = [
        map_spec
        for spec in specs
        for map_spec in spec.maps
        if map_spec.contents is None and map_spec.type != MapType.STRUCT_OPS
    ]
    listed = [f"{safe(map_spec.name)} ({_type_name(map_spec)})" for map_spec in maps[:_MAX_MAPS]]
    more = ", ..." if len(maps) > _MAX_MAPS else ""
    has = f"its maps: {', '.join(listed)}{more}" if maps else "there are no maps"
    yield f"warning: nothing will be shown, the programs only stay attached: {has}"
    if maps:
        if all(spec.convention != AUTOMATIC for spec in specs):
            *names, last = [f"{role}_NAME" for role in Role]
            names_or_last = f"{', '.join(names)} or {last}"
            yield f'note: maps are shown that are called {names_or_last} (in SEC(".maps"))'
        name = safe(maps[0].name[:_MAX_NAME])
        yield f"note: what is in a map: bpftool map dump name {name}"
    if traced:
        return
    from beepy.analysis import requirements  # noqa: PLC0415 - few runs show nothing

    programs = [program for spec in specs for program in spec.loaded]
    if any(_PRINT_HELPERS.intersection(requirements.helpers(prog.insns)) for prog in programs):
        yield "note: --trace shows what programs print (bpf_printk)"


def _count_attached(collection: Collection) -> int:
    """Return how many programs are attached: not those skipped, nor those for others to attach."""
    skipped = collection.skipped.reasons
    programs = [prog for prog in collection.programs.values() if prog.name not in skipped]
    hooks = [sections.find(program.section) for program in programs]
    others = Mechanism.NOT_ATTACHABLE
    return len([hook for hook in hooks if hook and hook.mechanism is not others])


def _description(image: Image) -> str:
    text = image.annotations.get(DESCRIPTION) or image.annotations.get(TITLE) or ""
    return safe(" ".join(text.split()))


def _shortened(text: str, room: int) -> str:
    """Return as many whole words as fit, but at least ``_MIN_DESCRIPTION`` columns."""
    room = max(room, _MIN_DESCRIPTION)
    if len(text) <= room:
        return text
    words = text[: room - 3].rpartition(" ")[0] or text[: room - 4]
    return f"{words.rstrip(' ,;:')} ..."


def _end(limit: int | None, timeout: float | None) -> str:
    rows = [f"{limit} rows" if limit != 1 else "1 row"] if limit else []
    seconds = [f"{timeout:g} s"] if timeout else []
    return f"ends after {' or '.join(rows + seconds)}" if rows or seconds else "Ctrl-C ends"


def _type_name(map_spec: MapSpec) -> str:
    known = map_spec.type in set(MapType)
    return MapType(map_spec.type).name.lower() if known else f"type {map_spec.type}"
