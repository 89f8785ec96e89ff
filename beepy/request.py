"""What to run: what a user asks for, and the objects of the images with what it changes in them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from beepy.btf.btf import Btf
from beepy.collection.missing import Missing
from beepy.hooks import Target
from beepy.obj.pinning import Pins
from beepy.obj.spec import CollectionSpec, MapSpec, Value
from beepy.oci import lookup
from beepy.oci.image import Image
from beepy.oci.options import Options
from beepy.source import parse_all, warn_of
from beepy.uapi import MapType

if TYPE_CHECKING:
    from beepy.events.arrangement import Arrangement  # few runs arrange
    from beepy.selecting import Subjects  # most runs show everybody's events
    from beepy.trace.lines import TraceLine  # few runs trace

_NO_TARGET: Final = Target()
_NO_PINS: Final = Pins()


class RunRequest(NamedTuple):
    """What to run, and how.

    ``images`` are names (references, files, bundled images), images, or parsed specs. ``variables``
    are values, or texts as of --set. ``filters``, ``wheres`` and ``texts`` are as of -f, --where
    and --text, ``arrangement`` as of --fields, --sort and --limit, ``programs`` the names of the
    programs to load, empty: all. ``types`` are the types of maps' records, by map, as of --type;
    ``map_sizes`` are sizes of maps, as of --map-size. ``attach`` maps programs to targets, which
    override their sections; ``common`` are the options of the targets of all programs. ``subjects``
    are the processes whose events are shown (None: all). ``interval`` and ``timeout`` are in
    seconds; None: tables are read only on demand; no end. ``own_intervals``: tables of which the
    image says how often they are read follow that. ``limit`` is the number of rows after which the
    run ends, ``until`` an expression as of --where: the run ends with the first row for which it is
    true. ``btf`` replaces the kernel's own types, by others or by the path of a file of them.
    ``rewrite``: programs get code that counts what they lose. ``cost``: measure what programs cost;
    ``max_overhead`` is the share of one CPU that they may take; ``shed``: over it they run for some
    threads only. ``trace`` is called with each line that programs print, in a thread of its own.
    ``read_only``: programs that can change more than their own maps are refused.
    """

    images: Sequence[str | Image | CollectionSpec]
    options: Options = Options()
    variables: Mapping[str, Value] = MappingProxyType({})
    filters: Sequence[str] = ()
    wheres: Sequence[str] = ()
    texts: Sequence[str] = ()
    arrangement: "Arrangement | None" = None
    programs: Sequence[str] = ()
    types: Mapping[str, str] = MappingProxyType({})
    map_sizes: Mapping[str, int | str] = MappingProxyType({})
    attach: Mapping[str, str] = MappingProxyType({})
    common: Target = _NO_TARGET
    subjects: "Subjects | None" = None
    pins: Pins = _NO_PINS
    missing: Missing | None = None
    btf: Btf | str | Path | None = None
    interval: float | None = 1.0
    own_intervals: bool = False
    timeout: float | None = None
    limit: int | None = None
    until: str = ""
    hides_zeros: bool = False
    rewrite: bool = True
    cost: bool = False
    max_overhead: float | None = None
    shed: bool = False
    trace: "Callable[[TraceLine], None] | None" = None
    read_only: bool = False


def specs_of(
    image: str | Image | CollectionSpec, options: Options
) -> tuple[Image | None, list[CollectionSpec]]:
    """Return an image and its parsed objects; a name is looked up, a spec has no image.

    Nothing is said yet about maps that are not shown. Raise BeepyError.
    """
    if isinstance(image, CollectionSpec):
        return None, [image]
    if isinstance(image, str):
        image = lookup.find(image, options)
    return image, parse_all(image, warn=False)


def with_options(
    request: RunRequest, images: Sequence[tuple[Image | None, list[CollectionSpec]]]
) -> Sequence[CollectionSpec]:
    """Return the objects of all images, with what the request changes in them. Raise BeepyError."""
    specs: Sequence[CollectionSpec] = [spec for _, image_specs in images for spec in image_specs]
    if request.programs:
        from beepy.obj import programs  # noqa: PLC0415 - few runs choose

        specs = programs.only(specs, request.programs)
    if request.types:
        from beepy.conventions import choices  # noqa: PLC0415 - few runs name one

        specs = choices.apply_all(specs, request.types)
    for image, spec in zip([i for i, objects in images for _ in objects], specs, strict=True):
        if image:  # who parsed a spec was told then
            warn_of(spec)
    if request.map_sizes or any(_may_lack_size(m) for spec in specs for m in spec.maps):
        from beepy.obj import map_sizes  # noqa: PLC0415 - most objects say what their sizes are

        specs = map_sizes.apply_all(specs, request.map_sizes, _existing(specs, request.pins))
    if request.variables:
        from beepy.events import variables  # noqa: PLC0415 - few runs set one

        specs = variables.apply_all(specs, request.variables)
    if request.texts:
        from beepy.events import texts  # noqa: PLC0415 - few runs name one

        specs = texts.apply_all(specs, request.texts)
    if any(spec.conditions for spec in specs):
        from beepy.collection import conditions  # noqa: PLC0415 - few objects have any

        specs = [conditions.apply(spec, request.attach) for spec in specs]
    return specs


def _may_lack_size(map_spec: MapSpec) -> bool:
    sized = map_spec.max_entries or map_spec.type == MapType.PERF_EVENT_ARRAY
    return map_spec.type == MapType.STACK_TRACE or not sized


def _existing(specs: Sequence[CollectionSpec], pins: Pins) -> set[str]:
    """Return the maps that are pinned already: who has created them has chosen their size."""
    paths = {m.name: pins.path(m) for spec in specs for m in spec.maps if not m.max_entries}
    return {name for name, path in paths.items() if path and Path(path).exists()}
