"""One run of the command line: signals, outputs, metrics and the summary line."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Final, NamedTuple

from beepy import outputs
from beepy.chosen import Chosen
from beepy.cli import drop, metrics_page, opening, signals, summary_line
from beepy.cli.stdio import STDERR, STDOUT, eprint, redirect_to_null
from beepy.errors import UsageError
from beepy.events.batch import Schema
from beepy.events.stats import RunStats
from beepy.launch import Launched, launch
from beepy.request import RunRequest
from beepy.session import Run
from beepy.text import safe
from beepy.width import columns_of_terminal

if TYPE_CHECKING:
    from beepy.cli.digest import Digest  # few runs ask for it
    from beepy.events.arrangement import Arrangement  # few runs arrange
    from beepy.events.protocols import Sink  # only types
    from beepy.events.top import Wanted  # few runs ask for it
    from beepy.kernel.link import Step  # only types
    from beepy.tui.showing import Showing  # not for every run

LOST: Final = "lost"  # values of --fail-on-loss
MISSED: Final = "missed"


class ShowOptions(NamedTuple):
    """How rows and metrics are shown: ``output`` is a name in ``outputs.TABLE``, or a file.

    ``buckets`` are the values of -b, ``value_keys`` those of -k, ``labels`` those of
    --labels. The metrics page is served at
    ``host`` and ``port``; without a port at bee's, if an image has metrics. ``record`` is the file
    that records are written to, "" for none, ``last`` the bytes of them that are kept in memory
    until then (None: all are written). ``rotate`` is as of --rotate. ``cost``: the summary has what
    the run cost. ``top``: the largest groups are shown in the place of events; ``summary``: a
    summary at the end. ``scrollback`` rows of each map are kept by the screen. ``replayed`` is the
    file of a recording that is shown ("": a run).
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
    last: int | None = None
    rotate: str = ""
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
    until: str,
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
            until=until,
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
    if options.rotate:
        from beepy.outputs.rotation import rotation  # noqa: PLC0415 - few runs have it

        rotation(options.rotate)
    if options.last is not None and not options.record:
        raise UsageError("--last: expected --record FILE too")
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
            started = _attach(launched, options, lines, timeout, digest=digest, showing=showing)
            summary.push(partial(summary_line.print_summary, running.stats, started, options.cost))
            if digest:
                summary.push(partial(digest.print, started))
            if showing:
                from beepy.cli import screen  # noqa: PLC0415 - not for every run

                summary.callback(screen.print_recorded, showing)  # before the summary
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
    digest: "Digest | None",
    showing: "Showing | None",
) -> float:
    """Open the outputs, attach, and report it on stderr; return the (monotonic) start time.

    ``digest`` or ``showing`` takes the place of the output, if there is one.
    """
    running, loaded, chosen, *_ = launched
    row_options = _row_options(options, running)
    # errors of the outputs, such as a port in use, are raised before anything is attached
    metrics = metrics_page.listen(chosen, options, running, row_options, loaded)
    instead = digest or showing
    rows, intervals = _rows(options, running, row_options, instead.sink if instead else None)
    if options.record:
        from beepy.cli import recorded  # noqa: PLC0415 - few runs record

        recording = recorded.recorder(options.record, options.last, running, loaded)
        launched.attached.append(partial(running.add_observer, recording))
    started = time.monotonic()
    gc.freeze()  # all objects so far live as long as the run: the collector need not visit them
    gc.enable()
    _stop_by_signals(running, showing)
    if timeout is not None:
        signals.end_stalled_write(timeout)
    launched.attached.append(partial(drop.drop, launched, _steps(options, running)))
    running.attach()
    for line in lines(launched):
        eprint(line)
    if metrics and metrics.url:
        eprint(f"metrics: {metrics.url}")
    if metrics:
        metrics.start()
        if measured := metrics_page.measured(running, options.output):
            _tick(running, metrics_page.MEASURED_S, measured)
    for every_s in intervals:
        _tick(running, every_s)
    running.add_sink(rows)
    return started


def _showing(options: ShowOptions, launched: Launched) -> "Showing | None":
    """Return the screen of a run, None if it has another output."""
    if not outputs.output(options.output).is_screen:
        return None
    from beepy.cli import screen  # noqa: PLC0415 - not for every run

    row_options = _row_options(options, launched.run)
    return screen.make(row_options, options.scrollback, launched.images, options.replayed)


def _steps(options: ShowOptions, running: Run) -> "Sequence[Step]":
    """Return what outputs do when all is attached: with ``files`` they create some."""
    destination = outputs.destination(options.output)
    output = destination.output
    # the keys of the screen write and record where its user is
    writes = options.record or destination.path or output.is_screen
    steps: list[Step] = ["files"] if writes else []
    if (
        options.record
        or output.names_stacks
        or output.is_screen  # its filters may ask for fields of processes, its recordings do
        or drop.asks_for_names(running.decoders, shows_meanings=output.shows_meanings)
    ):
        steps.append("names")
    return steps


def _rows(
    options: ShowOptions, running: Run, row_options: outputs.RowOptions, sink: "Sink | None"
) -> "tuple[Sink, Sequence[float]]":
    """Return the sink of rows, and the intervals at which it gets an empty batch at least.

    ``sink`` takes the place of the output, unless it is None. Raise UsageError for what cannot be
    shown so.
    """
    if sink and not (options.top or options.rotate):
        return sink, ()
    if outputs.destination(options.output).is_plain and not (options.top or options.rotate):
        return outputs.make(options.output, STDOUT, row_options), ()
    from beepy.cli import rows  # noqa: PLC0415 - most runs show rows on standard output

    return rows.sink(
        options.output, options.rotate, options.top, running, row_options, instead=sink
    )


def _tick(running: Run, every_s: float, tables: tuple[Schema, ...] = ()) -> None:
    """Read these tables regularly; without any, let time pass for the sinks."""
    from beepy.events.ticks import ticks  # noqa: PLC0415 - few runs need it

    ticking = ExitStack()
    ticking.enter_context(ticks(running.source, every_s, tables))
    running.add_resources(ticking)


def _digest(launched: Launched) -> "Digest":
    from beepy.cli.digest import Digest  # noqa: PLC0415 - few runs ask for it

    return Digest(launched)


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


def _stop_by_signals(running: Run, showing: "Showing | None") -> None:
    """Let the first signal stop the run and its screen, a second one raise KeyboardInterrupt.

    Stopping a run that has ended does nothing.
    """

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        signals.handle(showing.again if showing else signals.interrupt)
        running.stop()
        if showing:
            showing.leave()
        else:
            signals.end_stalled_write()

    signals.handle(stop)
