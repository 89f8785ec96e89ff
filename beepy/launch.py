"""From a RunRequest to a Run: load the programs of the images; attach nothing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from beepy.chosen import Chosen, check, not_own, passing
from beepy.collection import targets
from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.errors import UsageError, worded
from beepy.hooks.target import Target
from beepy.host import runtime
from beepy.kernel.link import Step
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.spec import CollectionSpec
from beepy.oci.image import Image
from beepy.oci.option_checks import asks_read_only
from beepy.request import RunRequest, specs_of, with_options
from beepy.session import FILTERED, OWN, UNTIL, Run
from beepy.streams import stream

if TYPE_CHECKING:
    from beepy.cost.meter import Meter  # few runs measure
    from beepy.events.arrangement import Arrangement  # few runs arrange
    from beepy.rewrite.select import Selection  # as above
    from beepy.threads import Repeated  # as above
    from beepy.trace.tracer import Tracer  # as above

_log = Log(__name__)


class Loaded(NamedTuple):
    """The collections of an image's objects; ``image`` is None for a spec."""

    name: str
    image: Image | None
    collections: Sequence[Collection]


class Launched(NamedTuple):
    """A run with its images; ``chosen`` rows are what the request asks for, and its processes.

    ``attached`` are called when everything is attached, before other threads are started; who has
    launched the run may add to them. ``steps`` are what takes privileges while the run lasts.
    """

    run: Run
    images: Sequence[Loaded]
    chosen: Chosen
    attached: list[Callable[[], None]]
    steps: Sequence[Step]

    @property
    def image_names(self) -> list[str]:
        """The names of the images, each once; of a recording, those of its maps."""
        names = [image.name for image in self.images]
        return [*dict.fromkeys(names or [schema.image for schema in self.run.schemas])]


def launch(request: RunRequest) -> Launched:
    """Load the programs of all images; the caller closes the run, which closes the collections.

    Raise BeepyError; then nothing stays loaded.
    """
    check(Chosen(request.filters, request.wheres), request.until)
    if request.arrangement:
        request.arrangement.check()
    with ExitStack() as resources:
        # removes pinned maps and programs if the run ends before everything is attached
        unpin = resources.enter_context(ExitStack())
        loaded, filters, keeper = _load(request, resources, unpin)
        _record_images(loaded, resources)
        collections = [collection for image in loaded for collection in image.collections]
        meter = _meter(request, loaded, resources)
        tracer = _tracer(request, loaded, resources)
        attached: list[Callable[[], None]] = []
        source = stream(
            *collections,
            interval=request.interval,
            own_intervals=request.own_intervals,
            timeout=request.timeout,
            attached=[
                partial(_pin_programs, collections, request.pins.programs),
                partial(_keep_pins, unpin),
                partial(_call_all, attached),
                *([meter.start] if meter else []),
                *([tracer.start] if tracer else []),
                *([keeper.start] if keeper else []),
            ],
            detached=[meter.stop] if meter else [],
            ended=[meter.check] if meter else [],
        )
        with ExitStack() as on_error:
            on_error.callback(source.close)
            if meter:
                meter.watch(source.stats, source.detach)
            run = Run(
                source,
                limit=request.limit,
                hides_zeros=request.hides_zeros,
                arrangement=request.arrangement,
            )
            run.add_stage(OWN, not_own(run.decoders))
            chosen = Chosen(filters, request.wheres)
            _choose(run, chosen, request.until)
            on_error.pop_all()  # from here on the run closes its source
        run.add_resources(resources.pop_all())
    steps: list[Step] = ["statistics"] if meter else []
    if tracer:
        steps.append("tracefs")
    if request.subjects and (request.subjects.containers or request.subjects.pods):
        steps.append("containers")
    return Launched(run, loaded, chosen, attached, steps)


def replay(
    path: str,
    chosen: Chosen,
    *,
    arrangement: "Arrangement | None" = None,
    limit: int | None = None,
    until: str = "",
    speed: float | None = None,
    hides_zeros: bool = False,
) -> Launched:
    """Return the run of a recording; the caller closes it. Raise RecordingError, UsageError."""
    from beepy.recording.playback import Playback  # noqa: PLC0415 - a run needs none of it

    source = Playback(path, speed)
    with ExitStack() as on_error:
        on_error.callback(source.close)
        run = Run(source, limit=limit, hides_zeros=hides_zeros, arrangement=arrangement)
        _choose(run, chosen, until)
        on_error.pop_all()
    return Launched(run, (), chosen, [], ())


def _choose(run: Run, chosen: Chosen, until: str) -> None:
    """Let the run have only the chosen rows, up to the one that ends it."""
    if any(chosen):
        run.add_stage(FILTERED, passing(chosen, run.decoders))
    if until:
        from beepy.events.ending import Ending  # noqa: PLC0415 - few runs have such an end

        run.add_stage(UNTIL, Ending(until, run.decoders, run.stop).apply)


class _Prepared(NamedTuple):
    """Objects as they are loaded, each with its programs' targets; ``filters`` are the run's."""

    specs: Sequence[CollectionSpec]
    targets: Sequence[Mapping[str, Target]]
    filters: Sequence[str]
    selection: "Selection | None"


def _load(
    request: RunRequest, resources: ExitStack, unpin: ExitStack
) -> "tuple[list[Loaded], Sequence[str], Repeated | None]":
    """Load all images; ``resources`` closes their collections, ``unpin`` removes their pins.

    Return the filters of the run, and what follows the cgroups that are chosen, too.
    """
    images = [specs_of(image, request.options) for image in request.images]
    prepared = _prepared(request, with_options(request, images))
    collections = _collections(request, prepared, resources, unpin)
    remaining = iter(collections)  # in the order of the specs
    loaded = [
        Loaded(
            name=image.name if image else image_specs[0].name,
            image=image,
            collections=[next(remaining) for _ in image_specs],
        )
        for image, image_specs in images
    ]
    keeper = None
    if request.subjects and prepared.selection:
        from beepy import selecting  # noqa: PLC0415 - most runs show everybody's events

        keeper = selecting.keeper(collections, request.subjects, prepared.selection)
        if keeper:
            resources.callback(keeper.close)
    return loaded, prepared.filters, keeper


def _prepared(request: RunRequest, specs: Sequence[CollectionSpec]) -> _Prepared:
    """Choose the targets; rewrite the programs for chosen processes and threads."""
    if where := "--read-only" if request.read_only else asks_read_only(request.options):
        from beepy.analysis import read_only  # noqa: PLC0415 - most runs may change things

        read_only.check(specs, request.pins, where)
    prepared = _selected(request, specs)
    if not request.shed:
        return prepared
    from beepy import shedding  # noqa: PLC0415 - few runs have a bound

    if not request.rewrite:
        raise UsageError(worded("--no-rewrite: choosing threads needs rewritten programs"))
    return prepared._replace(specs=shedding.apply(prepared.specs))


def _selected(request: RunRequest, specs: Sequence[CollectionSpec]) -> _Prepared:
    if not request.subjects:
        targets_of = targets.choose(specs, request.attach, request.common)
        return _Prepared(specs, targets_of, request.filters, None)
    from beepy import selecting  # noqa: PLC0415 - most runs show everybody's events

    if not request.rewrite:
        raise UsageError(worded("--no-rewrite: events of some processes need rewritten programs"))
    selection = selecting.resolve(request.subjects)
    common = selecting.common_target(specs, request.common, selection)
    targets_of = targets.choose(specs, request.attach, common)
    selected = selecting.apply(specs, targets_of, selection)
    for notice in selected.notices:
        _log.warning("%s", notice)
    filters = [*request.filters, *selected.filters]
    return _Prepared(selected.specs, targets_of, filters, selection)


def _collections(
    request: RunRequest, prepared: _Prepared, resources: ExitStack, unpin: ExitStack
) -> list[Collection]:
    """Load the objects; with a selection, tell their programs what is selected."""
    btf = request.btf
    if isinstance(btf, str | Path):
        from beepy.host import btf_file  # noqa: PLC0415 - few runs name one

        btf = btf_file.read(str(btf))
    pins = request.pins._replace(programs="")  # programs are pinned once they are attached
    collections = []
    while_loading = resources.enter_context(ExitStack())
    if any(map_spec.pinning for spec in prepared.specs for map_spec in spec.maps):
        from beepy.collection.pins import with_root  # noqa: PLC0415 - few maps are pinned

        pins = with_root(pins, prepared.specs, while_loading)
    for spec, spec_targets in zip(prepared.specs, prepared.targets, strict=True):
        collection = load(
            spec,
            targets=spec_targets,
            pins=pins,
            btf=btf,
            missing=request.missing,
            count_losses=request.rewrite,
        )
        resources.callback(collection.close)  # once more, if Ctrl-C interrupts the first
        resources.enter_context(collection)
        unpin.callback(collection.pinned.close)
        if prepared.selection:
            from beepy import selecting  # noqa: PLC0415 - most runs show everybody's events

            selecting.fill(collection, prepared.selection)
        collections.append(collection)
    while_loading.close()
    return collections


def _meter(request: RunRequest, loaded: Sequence[Loaded], resources: ExitStack) -> "Meter | None":
    """Return what measures the cost of the programs, None if nobody asks; not started yet."""
    if not request.cost and request.max_overhead is None:
        return None
    from beepy.cost.meter import Measured, Meter  # noqa: PLC0415 - few runs ask for it

    programs = [Measured(image, program) for image, program in _programs(loaded)]
    shed = None
    if request.shed and request.max_overhead is not None:
        from beepy.shedding import Shedder  # noqa: PLC0415 - as above

        collections = [collection for image in loaded for collection in image.collections]
        shed = Shedder(collections, request.max_overhead).after
    return resources.enter_context(Meter(programs, request.max_overhead, shed))


def _tracer(request: RunRequest, loaded: Sequence[Loaded], resources: ExitStack) -> "Tracer | None":
    """Return what shows the lines that programs print, None if nobody asks; not started yet."""
    if not request.trace:
        return None
    from beepy.trace.lines import Owner  # noqa: PLC0415 - few runs ask for it
    from beepy.trace.tracer import Tracer  # noqa: PLC0415 - as above

    programs = [(Owner(image, program.name), program) for image, program in _programs(loaded)]
    tracer = Tracer(programs, request.trace)
    resources.push(tracer)
    return tracer


def _programs(loaded: Sequence[Loaded]) -> list[tuple[str, Program]]:
    """Return all programs, each with the name of its image."""
    return [
        (image.name, program)
        for image in loaded
        for collection in image.collections
        for program in collection.programs.values()
    ]


def _record_images(loaded: Sequence[Loaded], resources: ExitStack) -> None:
    """Record which image each program is of, for ``beepy ps``, until ``resources`` is closed."""
    images = [(program.id(), image) for image, program in _programs(loaded)]
    try:
        resources.enter_context(runtime.record_images(images))
    except OSError as error:
        _log.info("beepy ps will not know the images: %s", error)


def _pin_programs(collections: Sequence[Collection], directory: str) -> None:
    if not directory:
        return
    from beepy.collection.pins import pin_programs  # noqa: PLC0415 - few runs pin any

    for collection in collections:
        pin_programs(collection.programs.values(), directory, collection.pinned)


def _call_all(functions: Sequence[Callable[[], None]]) -> None:
    for function in functions:
        function()


def _keep_pins(unpin: ExitStack) -> None:
    unpin.pop_all()
