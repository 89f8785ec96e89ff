"""One run of the command line: signals, outputs, metrics and the summary line."""

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Final, NamedTuple

from beepy import __version__, outputs
from beepy.chosen import Chosen, passing
from beepy.cli import drop, opening, signals, summary_line
from beepy.cli.stdio import STDERR, STDOUT, eprint, redirect_to_null
from beepy.events.batch import Batch, Schema
from beepy.events.stats import RunStats
from beepy.launch import Launched, Loaded, RunRequest, launch
from beepy.obj.spec import Role
from beepy.session import Run
from beepy.text import safe
from beepy.width import columns_of_terminal

if TYPE_CHECKING:
    from beepy.cli.digest import Digest  # few runs ask for it
    from beepy.events.arrangement import Arrangement  # few runs arrange
    from beepy.events.protocols import Sink  # only types
    from beepy.events.top import Wanted  # few runs ask for it
    from beepy.kernel.link import Step  # only types
    from beepy.outputs.prometheus import Exporter, Prometheus  # not for every run
    from beepy.tui.showing import Showing  # as above

_DEFAULT_PORT: Final = 9091  # bee's
LOST: Final = "lost"  # values of --fail-on-loss
MISSED: Final = "missed"
_METRICS: Final = (Role.COUNTER, Role.GAUGE, Role.HIST)


class ShowOptions(NamedTuple):
    """How rows and metrics are shown: ``output`` is its name in ``outputs.TABLE``.

    ``buckets`` are the values of -b, ``value_keys`` those of -k, ``labels`` those of
    --labels. The metrics page is served at
    ``host`` and ``port``; without a port at bee's, if an image has metrics. ``record`` is the file
    that records are written to, "" for none. ``cost``: the summary has what the run cost.
    ``top``: the largest groups are shown in the place of events; ``summary``: a summary at the end.
    ``scrollback`` rows of each map are kept by the screen. ``replayed`` is the file of a recording
    that is shown ("": a run).
    """

    output: str
    buckets: tuple[str, ...] = ()
    value_keys: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    rows: bool = False
    host: str = "127.0.0.1"
    port: int | None = None
    metrics: bool = True
    record: str = ""
    cost: bool = False
    summary: bool = False
    top: "Wanted | None" = None
    scrollback: int | None = None
    replayed: str = ""


def run(request: RunRequest, options: ShowOptions) -> RunStats:
    """Run until a signal, ``--count``, ``--timeout`` or a closed pipe; print the summary line.

    Return the counts. Raise BeepyError, and KeyboardInterrupt for a signal before anything is
    attached. In any case nothing stays attached.
    """
    _check(options)

    def lines(launched: Launched) -> Iterator[str]:
        images = opening.attached(launched.images)
        width = columns_of_terminal(STDERR)
        yield from opening.lines(images, request.limit, request.timeout, width)
        if not launched.run.schemas:
            loaded = launched.images
            specs = [collection.spec for image in loaded for collection in image.collections]
            yield from opening.nothing_shown(specs, traced=request.trace is not None)

    return _show(lambda: launch(request), options, lines, request.timeout)


def replay(
    path: str,
    chosen: Chosen,
    options: ShowOptions,
    *,
    arrangement: "Arrangement | None",
    limit: int | None,
    speed: float | None,
    hides_zeros: bool,
) -> None:
    """Show a recording, as ``run`` shows a run. Raise BeepyError."""
    _check(options)
    from beepy.launch import replay as launch_replay  # noqa: PLC0415 - not for a run

    def start() -> Launched:
        return launch_replay(
            path,
            chosen,
            arrangement=arrangement,
            limit=limit,
            speed=speed,
            hides_zeros=hides_zeros,
        )

    options = options._replace(replayed=path)
    _show(start, options, lambda _: [f"replay of {safe(path)}"], None)


def _check(options: ShowOptions) -> None:
    """Raise UsageError for what is wrong whatever maps there are."""
    if outputs.output(options.output).is_screen:
        from beepy.cli import screen  # noqa: PLC0415 - not for every run

        screen.check()
    if options.buckets or options.value_keys or options.labels:
        from beepy.outputs import metric_options  # noqa: PLC0415 - few runs have one

        metric_options.check(options.buckets, options.value_keys, options.labels)


def _show(
    start: Callable[[], Launched],
    options: ShowOptions,
    lines: Callable[[Launched], Iterable[str]],
    timeout: float | None,
) -> RunStats:
    """Start a run, show it, and return its counts; ``lines`` are printed when it is attached."""
    # The summary comes last, when everything is detached and the sinks are closed: leaving
    # running adds the last losses to the stats.
    with ExitStack() as summary:
        summary.callback(signals.end_checks)
        launched = start()
        running = launched.run
        with running:
            digest = _digest(launched) if options.summary else None
            showing = _showing(options, launched)
            if showing:
                summary.callback(showing.close)
            instead = digest or showing  # of the rows on stdout
            started = _attach(
                launched,
                options,
                lines,
                timeout,
                sink=instead.sink if instead else None,
                leave=showing.leave if showing else signals.end_stalled_write,
            )
            summary.push(partial(summary_line.print_summary, running.stats, started, options.cost))
            if digest:
                summary.push(partial(digest.print, started))
            if showing:
                from beepy.cli import screen  # noqa: PLC0415 - not for every run

                screen.show(showing, launched, options.replayed)
            else:
                for _ in running.batches():
                    pass
            if running.reader_gone:
                redirect_to_null()
    return running.stats


def failed_by_loss(stats: RunStats, fail_on_loss: str) -> bool:
    """Return whether events were lost, or may have been: with MISSED, missed runs count as well."""
    losses = [stats.total_lost, stats.total_missed if fail_on_loss == MISSED else 0]
    return bool(fail_on_loss) and (losses != [0, 0] or bool(stats.evicting))


def _attach(
    launched: Launched,
    options: ShowOptions,
    lines: Callable[[Launched], Iterable[str]],
    timeout: float | None,
    *,
    sink: "Sink | None",
    leave: Callable[[], None],
) -> float:
    """Open the outputs, attach, and report it on stderr; return the (monotonic) start time.

    ``sink`` takes the place of the output, unless it is None. The first signal calls ``leave``.
    """
    output = outputs.output(options.output)
    running, loaded, chosen, *_ = launched
    row_options = _row_options(options, running)
    # errors of the outputs, such as a port in use, are raised before anything is attached
    metrics = _metrics(chosen, options, running, row_options, loaded)
    rows = sink or output.make(STDOUT, row_options)
    if options.top:
        rows = _top(options.top, running, rows)
    started = time.monotonic()
    gc.freeze()  # all objects so far live as long as the run: the collector need not visit them
    gc.enable()
    _stop_by_signals(running, leave)
    if timeout is not None:
        signals.end_stalled_write(timeout)
    if options.record:
        launched.attached.append(lambda: running.add_observer(_recorder(options.record, loaded)))
    launched.attached.append(partial(drop.drop, launched, _steps(options)))
    running.attach()
    for line in lines(launched):
        eprint(line)
    if metrics and metrics.url:
        eprint(f"metrics: {metrics.url}")
    if metrics:
        metrics.start()
        if not output.shows_rows:
            running.add_resources(_measuring(running))
    if options.top:
        _tick(options.top, running)
    running.add_sink(rows)
    return started


def _showing(options: ShowOptions, launched: Launched) -> "Showing | None":
    """Return the screen of a run, None if it has another output."""
    if not outputs.output(options.output).is_screen:
        return None
    from beepy.cli import screen  # noqa: PLC0415 - not for every run

    row_options = _row_options(options, launched.run)
    about = None if options.replayed else _about(launched.images)
    return screen.make(row_options, options.scrollback, about)


def _steps(options: ShowOptions) -> "Sequence[Step]":
    """Return what outputs do when all is attached: with ``files`` they create some."""
    # the keys of the screen write and record where its user is
    return ["files"] if options.record or outputs.output(options.output).is_screen else []


def _top(wanted: "Wanted", running: Run, rows: "Sink") -> "Sink":
    """Return a sink that gives ``rows`` the largest groups of events. Raise UsageError."""
    from beepy.events.top import Top  # noqa: PLC0415 - few runs ask for it
    from beepy.outputs.top import TopRows  # noqa: PLC0415 - as above

    return TopRows(Top(wanted, running.decoders), rows, running.stats)


def _tick(wanted: "Wanted", running: Run) -> None:
    """Let the groups be shown regularly."""
    from beepy.events.ticks import ticks  # noqa: PLC0415 - few runs ask for it

    ticking = ExitStack()
    ticking.enter_context(ticks(running.source, wanted.every_s))
    running.add_resources(ticking)


def _digest(launched: Launched) -> "Digest":
    from beepy.cli.digest import Digest  # noqa: PLC0415 - few runs ask for it

    return Digest(launched)


def _recorder(path: str, images: Sequence[Loaded]) -> "Sink":
    from beepy.recording.recorder import Recorder  # noqa: PLC0415 - few runs record

    return Recorder(path, _about(images))


def _about(images: Sequence[Loaded]) -> Mapping[str, object]:
    """Return what a recording says of its run."""
    names = {image.name: image.image.digest if image.image else "" for image in images}
    return {"beepy": __version__, "images": names, "machine": os.uname().release}


def _row_options(options: ShowOptions, running: Run) -> outputs.RowOptions:
    """Return the options of rows and metrics. Raise UsageError if -b, -k or --labels fit no map."""
    row_options = outputs.RowOptions(options.rows)
    if not (options.buckets or options.value_keys or options.labels):
        return row_options
    from beepy.outputs import metric_options  # noqa: PLC0415 - few runs have one

    values = metric_options.values_of(options.value_keys, running.decoders)
    return row_options._replace(
        bounds=metric_options.bounds_of(options.buckets, running.decoders),
        values=values,
        labels=metric_options.labels_of(options.labels, running.decoders, values),
    )


def _metrics(
    chosen: Chosen,
    options: ShowOptions,
    running: Run,
    row_options: outputs.RowOptions,
    loaded: Sequence[Loaded],
) -> "Prometheus | None":
    """Listen for scrapes if the metrics page is wanted; return its sink. Raise OutputError."""
    exporter = _exporter(loaded)
    has_metrics = exporter or any(
        schema.role in _METRICS or schema.measures for schema in running.schemas
    )
    asked_for = options.port is not None or options.buckets or options.value_keys or options.labels
    if not options.metrics or not (has_metrics or asked_for):
        return None
    from beepy.outputs.prometheus import Prometheus  # noqa: PLC0415 - not for every run

    # a second filter for the server's thread: filters cache results and are not thread-safe
    choose = passing(chosen, running.decoders)

    def read_tables(schemas: tuple[Schema, ...]) -> Iterator[Batch]:
        return running.snapshot(schemas, choose)

    metrics = Prometheus(
        options.host,
        _DEFAULT_PORT if options.port is None else options.port,
        read_tables=read_tables,
        bounds=row_options.bounds,
        values=row_options.values,
        labels=row_options.labels,
        stats=running.stats,
        always=options.port is not None,
        exporter=exporter,
        serving=False,
    )
    running.add_observer(metrics)
    return metrics


def _measuring(running: Run) -> ExitStack:
    """Read the tables of gadgets for their metrics: no rows of them are shown."""
    from beepy.events import ticks  # noqa: PLC0415 - few runs show no rows

    tables = tuple([s for s in running.schemas if s.measures and not s.is_stream])
    ticking = ExitStack()
    ticking.enter_context(ticks.ticks(running.source, ticks.MEASURED_S if tables else 0, tables))
    return ticking


def _exporter(loaded: Sequence[Loaded]) -> "Exporter | None":
    """Return what the page of images of ebpf_exporter needs, None if there are none."""
    collections = [collection for image in loaded for collection in image.collections]
    configs = {c.spec.name: c.spec.exporter.name for c in collections if c.spec.exporter}
    if not configs:
        return None
    from beepy.collection.program_states import program_states  # noqa: PLC0415 - few images are
    from beepy.enrich.names import of_this_machine  # noqa: PLC0415 - as above
    from beepy.outputs.prometheus import Exporter  # noqa: PLC0415 - as above

    return Exporter(configs, of_this_machine(), partial(program_states, collections))


def _stop_by_signals(running: Run, leave: Callable[[], None]) -> None:
    """Let the first signal stop the run and call ``leave``, a second one raise KeyboardInterrupt.

    Stopping a run that has ended does nothing.
    """

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        signals.handle(signals.interrupt)
        running.stop()
        leave()

    signals.handle(stop)
