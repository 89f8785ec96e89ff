"""One run: images -> collections -> stream -> filter -> sinks, and the closing line."""

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import Final, NamedTuple

from beepy import outputs
from beepy.cli import opening, signals
from beepy.cli.opening import Attached
from beepy.cli.standard import STDERR, STDOUT, discard, say
from beepy.collection import targets
from beepy.collection.absent import Missing
from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.collection.pins import Pins, pin_programs
from beepy.errors import NotSupported, OutputError
from beepy.events.batch import Batch, Schema, Sink, Tally
from beepy.events.batch_ops import take, without_zeros
from beepy.events.own import Own
from beepy.hooks import Target
from beepy.kernel.own_pid import own_pid
from beepy.log import Log
from beepy.obj.spec import CollectionSpec, Role
from beepy.oci import lookup
from beepy.oci.options import Options
from beepy.source import parse_all
from beepy.streams import Stream, stream
from beepy.text import safe
from beepy.width import of_terminal

_log = Log(__name__)

_DEFAULT_PORT: Final = 9091  # bee's
_WITHOUT_ZEROS: Final = ("columns", "wide")  # outputs
_METRICS: Final = (Role.COUNTER, Role.GAUGE, Role.HIST)


class Request(NamedTuple):
    """What ``run`` was asked for: ``timeout`` and ``interval`` in seconds, ``limit`` is --count; None: not given.

    ``buckets`` are the -b, ``value_keys`` the -k, ``texts`` the --text, ``programs`` the --prog (none: all programs).
    """

    images: tuple[str, ...]
    options: Options
    output: str
    filters: tuple[str, ...]
    buckets: tuple[str, ...]
    value_keys: tuple[str, ...]
    zero: bool
    rows: bool
    limit: int | None
    timeout: float | None
    interval: float
    host: str
    port: int | None
    metrics: bool
    attach: tuple[str, ...]
    common: Target
    variables: tuple[str, ...]
    pins: Pins
    missing: Missing
    btf: str
    texts: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


def default_output(*, plain: bool) -> str:
    """Return the output for a run that named none; ``plain`` forbids a screen, which there is none of yet."""
    del plain
    return "columns" if os.isatty(STDOUT) else "json"


def run(request: Request) -> None:
    """Run until a signal, ``--count``, ``--timeout`` or a closed pipe ends it; then print the closing line.

    Raises BeepyError; KeyboardInterrupt for a signal before anything is attached. Nothing stays attached either way.
    """
    if request.filters:
        from beepy.events import filter as row_filter  # noqa: PLC0415 - few runs have one

        row_filter.check(request.filters)
    if request.buckets or request.value_keys:
        from beepy.outputs import metric_options  # noqa: PLC0415 - few runs have one

        metric_options.check(request.buckets, request.value_keys)
    with ExitStack() as end, ExitStack() as stack:
        with ExitStack() as unpin:
            loaded = _load(request, stack, unpin)
            collections = [collection for one in loaded for collection in one.collections]
            interval = None if request.output == "none" else request.interval
            events = stack.enter_context(stream(*collections, interval=interval, timeout=request.timeout))
            tally = Tally(events.schemas)
            choose = _chooser(request.filters, events.schemas, tally)
            options = _options(request, events.schemas)
            metrics, url = _serve(request, events, options, tally, stack)
            rows = [] if request.output == "none" else [outputs.make(request.output, options=options)]
            started = time.monotonic()
            gc.freeze()  # what is here now stays: only what comes later is looked through
            gc.enable()
            _stop_by_signals(events)
            if request.timeout is not None:
                signals.end_stalled_write(request.timeout)
            _attach(request, collections, tally)
            unpin.pop_all()
        end.push(partial(_end, tally, started))
        attached = [(one.image, one.programs) for one in loaded]
        for line in opening.lines(attached, request.limit, request.timeout, of_terminal(STDERR)):
            say(line)
        if url:
            say(f"metrics: {url}")
        for line in () if events.schemas else opening.nothing_shown([one.spec for one in collections]):
            say(line)
        for sink in rows:
            _open(sink, events, stack)
        zeros = request.zero or request.output not in _WITHOUT_ZEROS
        _pump(events, choose, _Sinks(rows, metrics, zeros), tally, request.limit)


def _end(tally: Tally, started: float, kind: type[BaseException] | None, *_: object) -> None:
    """Print the closing line when all is detached, unless an error (``kind``) tells more.

    A second signal is none, and after a full disk, what was shown before it is what counts.
    """
    if kind is None or issubclass(kind, KeyboardInterrupt | OutputError):
        say(closing(tally, time.monotonic() - started))


def closing(tally: Tally, seconds: float) -> str:
    """Return the line that ends every run: what became of its events."""
    unknown = _maps([schema for schema, count in tally.lost.items() if count is None])
    known = sum(count for count in tally.lost.values() if count)
    where = _maps([schema for schema, count in tally.lost.items() if count])
    parts = [f"{tally.shown} shown", f"{tally.filtered} filtered"]
    if tally.own:
        parts.append(f"{tally.own} of beepy's own left out")
    if tally.skipped:
        parts.append(f"{len(tally.skipped)} programs left out" if len(tally.skipped) > 1 else "1 program left out")
    if tally.zeros:
        parts.append(f"{tally.zeros} zero {'row' if tally.zeros == 1 else 'rows'} hidden (--zero)")
    if tally.left_out:
        parts.append(f"{tally.left_out} not shown (--count)")
    if known or not unknown:
        parts.append(f"{known} lost ({where})" if where else "0 lost")
    if unknown:
        parts.append(f"lost unknown ({unknown})")
    return f"beepy: {', '.join(parts)}, {seconds:.1f} s"


def _maps(schemas: Sequence[Schema]) -> str:
    return ", ".join(dict.fromkeys([safe(schema.map) for schema in schemas]))


def _load(request: Request, stack: ExitStack, unpin: ExitStack) -> list[Attached]:
    """Load every program of every image into ``stack``; ``unpin`` takes how to take back what was pinned for it."""
    images = [lookup.find(name, request.options) for name in request.images]
    specs: Sequence[CollectionSpec] = [spec for image in images for spec in parse_all(image)]
    if request.programs:
        from beepy.obj import programs  # noqa: PLC0415 - few runs choose

        specs = programs.only(specs, request.programs)
    if request.variables:
        from beepy.obj import variables  # noqa: PLC0415 - few runs set one

        specs = variables.apply_all(specs, variables.settings(request.variables))
    if request.texts:
        from beepy.events import texts  # noqa: PLC0415 - few runs name one

        specs = texts.apply_all(specs, request.texts)
    chosen = targets.choose(specs, targets.parse(request.attach), request.common)
    btf = None
    if request.btf:
        from beepy.kernel import btf_file  # noqa: PLC0415 - few runs name one

        btf = btf_file.read(request.btf)
    pins = request.pins._replace(programs="")  # those are pinned when they are attached
    collections = []
    for spec, each in zip(specs, chosen, strict=True):
        one = stack.enter_context(load(spec, targets=each, pins=pins, btf=btf, missing=request.missing))
        unpin.callback(one.pinned.close)
        collections.append(one)
    rest = iter(collections)
    return [Attached(image, [next(rest) for _ in image.programs]) for image in images]


def _attach(request: Request, collections: Sequence[Collection], tally: Tally) -> None:
    for collection in collections:
        collection.attach()
    tally.skipped = _skipped(collections)
    for collection in collections if request.pins.programs else ():
        pin_programs(collection.programs.values(), request.pins.programs, collection.pinned)


def _skipped(collections: Sequence[Collection]) -> list[tuple[str, str]]:
    """Return (image, program) of what --missing skip left out. Raises NotSupported if nothing else is there."""
    skipped = [(one.spec.name, program) for one in collections for program in one.absent.skipped]
    if skipped and not any(one.links for one in collections):
        raise NotSupported("nothing is attached: this kernel lacks what every program attaches to")
    return skipped


def _options(request: Request, schemas: tuple[Schema, ...]) -> outputs.Options:
    """Return what was asked of the rows and metrics. Raises UsageError where -b or -k do not fit the maps."""
    options = outputs.Options(request.rows)
    if not (request.buckets or request.value_keys):
        return options
    from beepy.outputs import metric_options  # noqa: PLC0415 - few runs have one

    bounds = metric_options.bounds_of(request.buckets, schemas)
    return options._replace(bounds=bounds, values=metric_options.values_of(request.value_keys, schemas))


def _serve(
    request: Request, events: Stream, options: outputs.Options, tally: Tally, stack: ExitStack
) -> tuple[list[Sink], str]:
    """Return the metrics' sink, if any, and where its page is: a port in use is an error before anything attaches."""
    counted = any(schema.role in _METRICS for schema in events.schemas)
    if not request.metrics or not (counted or request.port is not None or request.buckets or request.value_keys):
        return [], ""
    from beepy.outputs.prometheus import Prometheus  # noqa: PLC0415 - not for every run

    metrics = Prometheus(
        request.host,
        _DEFAULT_PORT if request.port is None else request.port,
        read_tables=partial(_tables, events, _passing(request.filters, events.schemas)),
        bounds=options.bounds,
        values=options.values,
        tally=tally,
        always=request.port is not None,
    )
    metrics.open(events.schemas, events.demand)
    stack.callback(metrics.close)
    return [metrics] if metrics.url else [], metrics.url


def _tables(events: Stream, passing: Callable[[Batch], Batch], schemas: tuple[Schema, ...]) -> Iterator[Batch]:
    """Read tables for a scrape, in its thread; ``passing`` is its own: what filters remember is one thread's."""
    return map(passing, events.snapshot(schemas))


def _open(sink: Sink, events: Stream, stack: ExitStack) -> None:
    """Open the sink of rows, whose header follows when all is attached."""
    try:
        sink.open(events.schemas, events.demand)
    except BrokenPipeError:  # of a header
        discard()
        events.stop()
    stack.callback(sink.close)


def _chooser(filters: Sequence[str], schemas: tuple[Schema, ...], tally: Tally) -> Callable[[Batch], Batch]:
    """Return what leaves out, and counts, beepy's own rows and those that a filter does not let pass."""
    own = _own(schemas)
    passing = _passing(filters, schemas)

    def choose(batch: Batch) -> Batch:
        others = own(batch)
        kept = passing(others)
        tally.own += batch.records - others.records
        tally.filtered += others.records - kept.records
        return kept

    return choose


def _passing(filters: Sequence[str], schemas: tuple[Schema, ...]) -> Callable[[Batch], Batch]:
    if not filters:
        return _everything
    from beepy.events.filter import Filter  # noqa: PLC0415 - few runs have one

    return Filter(filters, schemas).apply


def _own(schemas: tuple[Schema, ...]) -> Callable[[Batch], Batch]:
    """Return what leaves out the rows of beepy's own process, where they can be told from others."""
    pid = own_pid()
    own = Own(pid, schemas) if pid is not None else None
    if own is None:
        _log.info("beepy's own rows are shown: its pid in the first PID namespace is not known")
    elif mixed := [schema for schema in schemas if not own.names_process(schema)]:
        _log.info("beepy's own work may be in %s: no record names a process", _maps(mixed))
    return own.apply if own else _everything


def _everything(batch: Batch) -> Batch:
    return batch


class _Sinks(NamedTuple):
    """Where batches go; ``zeros``: rows of tables whose value is 0 are shown. Metrics have them in any case."""

    rows: Sequence[Sink]
    metrics: Sequence[Sink]
    zeros: bool


def _pump(events: Stream, choose: Callable[[Batch], Batch], sinks: _Sinks, tally: Tally, count: int | None) -> None:
    for batch in events:
        if batch.schema.is_stream:
            tally.add_lost(batch.schema, batch.lost)
        chosen = choose(batch)
        kept = chosen if sinks.zeros else without_zeros(chosen)
        shown = kept if count is None else take(kept, count - tally.shown)
        tally.zeros += chosen.records - kept.records
        tally.left_out += kept.records - shown.records
        if not (shown.records or not kept.records):  # a table's end, cut by --count: it stays as it was shown
            continue
        counted = chosen if shown.records == kept.records else shown
        taken = _write(shown, sinks.rows) & _write(counted, sinks.metrics)
        tally.shown += shown.records
        if not taken or (count is not None and tally.shown >= count):
            events.stop()


def _write(batch: Batch, sinks: Sequence[Sink]) -> bool:
    """Give the batch to every sink; tell whether all still take more: a closed pipe ends the run as Ctrl-C does."""
    open_ = True
    for sink in sinks:
        try:
            sink.write(batch)
        except BrokenPipeError:
            discard()
            open_ = False
    return open_


def _stop_by_signals(events: Stream) -> None:
    """Let a first signal stop the stream, or do nothing once it has ended; a second one interrupts what is left."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        signals.handle(signals.interrupt)
        events.stop()
        signals.end_stalled_write()

    signals.handle(stop)
