"""What a user asks for -> Run: find the images, parse, choose, load; nothing is attached yet."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy.btf.btf import Btf
from beepy.collection import targets
from beepy.collection.absent import Missing
from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.collection.pins import Pins, pin_programs
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.own import Own
from beepy.hooks import Target
from beepy.kernel.own_pid import own_pid
from beepy.log import Log
from beepy.obj.spec import CollectionSpec, Value
from beepy.oci import lookup
from beepy.oci.image import Image
from beepy.oci.options import Options
from beepy.session import FILTERED, OWN, Choose, Run
from beepy.source import parse
from beepy.streams import stream
from beepy.text import safe

_log = Log(__name__)

_NO_TARGET: Final = Target()
_NO_PINS: Final = Pins()


class Request(NamedTuple):
    """What to run, and how.

    ``images`` are names (references, files, bundled images), images that were found, or specs that were parsed.
    ``filters`` are as -f has them, ``texts`` as --text, ``programs`` are the names of the only ones to load (none:
    all). ``variables`` are values, or texts as --set has them. ``attach`` overrules the sections of programs, by name;
    ``common`` is what holds for all of them. ``interval`` and ``timeout`` are seconds, None: tables are read only on
    demand, no end. ``limit`` is the number of rows after which the run ends. ``btf`` are the kernel's types, or the
    path of a file of them, in the place of its own.
    """

    images: Sequence[str | Image | CollectionSpec]
    options: Options = Options()
    variables: Mapping[str, Value] = MappingProxyType({})
    filters: Sequence[str] = ()
    texts: Sequence[str] = ()
    programs: Sequence[str] = ()
    attach: Mapping[str, str] = MappingProxyType({})
    common: Target = _NO_TARGET
    pins: Pins = _NO_PINS
    missing: Missing = "fail"
    btf: Btf | str | Path | None = None
    interval: float | None = 1.0
    timeout: float | None = None
    limit: int | None = None
    hides_zeros: bool = False


class Loaded(NamedTuple):
    """One image (None: a spec was given), and the collections of its objects."""

    name: str
    image: Image | None
    collections: Sequence[Collection]


class Launched(NamedTuple):
    """A run, and what is loaded for it, which the run closes."""

    run: Run
    loaded: Sequence[Loaded]


def launch(request: Request) -> Launched:
    """Load the programs of all images; the caller closes the run. Raises BeepyError; then nothing stays loaded."""
    if request.filters:
        from beepy.events import filter as row_filter  # noqa: PLC0415 - few runs have one

        row_filter.check(request.filters)
    with ExitStack() as resources:
        # pins are kept once everything is attached, and removed by a run that ends before
        pinned = resources.enter_context(ExitStack())
        loaded = _load(request, resources, pinned)
        collections = [collection for one in loaded for collection in one.collections]
        pins = partial(_pin_programs, collections, request.pins.programs)
        source = stream(
            *collections,
            interval=request.interval,
            timeout=request.timeout,
            attached=[pins, partial(_keep, pinned)],
        )
        with ExitStack() as unless:
            unless.callback(source.close)
            run = Run(source, limit=request.limit, hides_zeros=request.hides_zeros)
            run.add_stage(OWN, _own(run.decoders))
            if request.filters:
                run.add_stage(FILTERED, passing(request.filters, run.decoders))
            unless.pop_all()
        run.own(resources.pop_all())
    return Launched(run, loaded)


def passing(filters: Sequence[str], decoders: Sequence[Decoder]) -> Choose:
    """Return what lets the rows pass that the filters choose. Raises UsageError."""
    if not filters:
        return _everything
    from beepy.events.filter import Filter  # noqa: PLC0415 - few runs have one

    return Filter(filters, decoders).apply


def specs_of(image: str | Image | CollectionSpec, options: Options) -> tuple[Image | None, list[CollectionSpec]]:
    """Find an image, if it is a name, and parse all of its objects; a spec is returned as it is. Raises BeepyError."""
    if isinstance(image, CollectionSpec):
        return None, [image]
    found = image if isinstance(image, Image) else lookup.find(image, options)
    return found, [parse(found, number) for number in range(len(found.programs))]


def _load(request: Request, resources: ExitStack, pinned: ExitStack) -> list[Loaded]:
    """Load every program of every image into ``resources``; ``pinned`` gets how to remove what is pinned for it."""
    images = [specs_of(image, request.options) for image in request.images]
    specs: Sequence[CollectionSpec] = [spec for _, found in images for spec in found]
    if request.programs:
        from beepy.obj import programs  # noqa: PLC0415 - few runs choose

        specs = programs.only(specs, request.programs)
    if request.variables:
        from beepy.obj import variables  # noqa: PLC0415 - few runs set one

        specs = variables.apply_all(specs, request.variables)
    if request.texts:
        from beepy.events import texts  # noqa: PLC0415 - few runs name one

        specs = texts.apply_all(specs, request.texts)
    chosen = targets.choose(specs, request.attach, request.common)
    btf = request.btf
    if isinstance(btf, str | Path):
        from beepy.kernel import btf_file  # noqa: PLC0415 - few runs name one

        btf = btf_file.read(str(btf))
    pins = request.pins._replace(programs="")  # those are pinned when they are attached
    collections = []
    for spec, of_spec in zip(specs, chosen, strict=True):
        collection = load(spec, targets=of_spec, pins=pins, btf=btf, missing=request.missing)
        resources.callback(collection.close)  # once more, if Ctrl-C interrupts the first
        resources.enter_context(collection)
        pinned.callback(collection.pinned.close)
        collections.append(collection)
    rest = iter(collections)
    return [
        Loaded(image.name if image else found[0].name, image, [next(rest) for _ in found]) for image, found in images
    ]


def _pin_programs(collections: Sequence[Collection], directory: str) -> None:
    for collection in collections if directory else ():
        pin_programs(collection.programs.values(), directory, collection.pinned)


def _keep(pinned: ExitStack) -> None:
    pinned.pop_all()


def _own(decoders: Sequence[Decoder]) -> Callable[[Batch], Batch]:
    """Return what leaves out the rows of beepy's own process, where they can be told from others."""
    pid = own_pid()
    own = Own(pid, decoders) if pid is not None else None
    if own is None:
        _log.info("beepy's own rows are shown: its pid in the first PID namespace is not known")
    elif mixed := [schema for schema in (one.schema for one in decoders) if not own.names_process(schema)]:
        listed = ", ".join(dict.fromkeys([safe(schema.map) for schema in mixed]))
        _log.info("beepy's own work may be in %s: no record names a process", listed)
    return own.apply if own else _everything


def _everything(batch: Batch) -> Batch:
    return batch
