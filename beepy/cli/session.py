"""One run of the command line: signals, outputs, metrics and the summary line."""

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Final, NamedTuple

from beepy import outputs
from beepy.chosen import Chosen
from beepy.cli import drop, metrics_page, opening, signals
from beepy.cli.stdio import STDERR, STDOUT, eprint, redirect_to_null
from beepy.errors import OutputError, OverheadError, UsageError
from beepy.events.batch import Schema
from beepy.events.stats import RunStats
from beepy.launch import Launched, RunRequest, launch
from beepy.log import Log
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

_log = Log(__name__)

_DEFAULT_PORT: Final = 9091  # bee's
LOST: Final = "lost"  # values of --fail-on-loss
MISSED: Final = "missed"
_METRICS: Final = (Role.COUNTER, Role.GAUGE, Role.HIST)


class ShowOptions(NamedTuple):
    """How rows and metrics are shown: ``output`` is a name in ``outputs.TABLE``, or a file.

    ``buckets`` are the values of -b, ``value_keys`` those of -k, ``labels`` those of
    --labels. The metrics page is served at
    ``host`` and ``port``; without a port at bee's, if an image has metrics. ``record`` is the file
    that records are written to, "" for none, ``last`` the bytes of them that are kept in memory
    until then (None: all are written). ``rotate`` is as of --rotate. ``cost``: the summary has what
    the run cost. ``top``: the largest groups are shown in the place of events; ``summary``: a
    summary at the end.
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


def default_output(*, plain: bool) -> str:
    """Return the output of a run without -o; ``plain`` (--no-tty) has no other effect yet."""
    del plain
    return "columns" if os.isatty(STDOUT) else "json"


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

    _show(start, options, lambda _: [f"replay of {safe(path)}"], None)


def _check(options: ShowOptions) -> None:
    """Raise UsageError for what is wrong whatever maps there are."""
    outputs.output(options.output)
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
            started = _attach(launched, options, lines, timeout, digest)
            summary.push(partial(_print_summary, running.stats, started, options.cost))
            if digest:
                summary.push(partial(digest.print, started))
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
    digest: "Digest | None",
) -> float:
    """Open the outputs, attach, and report it on stderr; return the (monotonic) start time.

    ``digest`` takes the place of the rows, if there is one.
    """
    running, loaded, chosen, *_ = launched
    row_options = _row_options(options, running)
    # errors of the outputs, such as a port in use, are raised before anything is attached
    metrics = metrics_page.listen(chosen, options, running, row_options, loaded)
    rows, intervals = (digest.sink, ()) if digest else _rows(options, running, row_options)
    if options.record:
        from beepy.cli import recorded  # noqa: PLC0415 - few runs record

        recording = recorded.recorder(options.record, options.last, running, loaded)
        launched.attached.append(partial(running.add_observer, recording))
    started = time.monotonic()
    gc.freeze()  # all objects so far live as long as the run: the collector need not visit them
    gc.enable()
    _stop_by_signals(running)
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


def _steps(options: ShowOptions, running: Run) -> "Sequence[Step]":
    """Return what outputs do when all is attached: with ``files`` they create some."""
    writes = options.record or outputs.destination(options.output).path
    steps: list[Step] = ["files"] if writes else []
    shows_meanings = options.output in ("columns", "wide")
    if options.record or drop.asks_for_names(running.decoders, shows_meanings=shows_meanings):
        steps.append("names")
    return steps


def _rows(
    options: ShowOptions, running: Run, row_options: outputs.RowOptions
) -> "tuple[Sink, Sequence[float]]":
    """Return the sink of rows, and the intervals at which it gets an empty batch at least.

    Raise UsageError for what cannot be shown so.
    """
    if outputs.destination(options.output).is_plain and not (options.top or options.rotate):
        return outputs.make(options.output, STDOUT, row_options), ()
    from beepy.cli import rows  # noqa: PLC0415 - most runs show rows on standard output

    return rows.sink(options.output, options.rotate, options.top, running, row_options)


def _tick(running: Run, every_s: float, tables: tuple[Schema, ...] = ()) -> None:
    """Read these tables regularly; without any, let time pass for the sinks."""
    from beepy.events.ticks import ticks  # noqa: PLC0415 - few runs need it

    ticking = ExitStack()
    ticking.enter_context(ticks(running.source, every_s, tables))
    running.add_resources(ticking)


def _digest(launched: Launched) -> "Digest":
    from beepy.cli.digest import Digest  # noqa: PLC0415 - few runs ask for it

    return Digest(launched)


def _print_summary(
    stats: RunStats,
    started: float,
    shows_cost: bool,  # noqa: FBT001 - an ExitStack gives the rest
    error: type[BaseException] | None,
    *_: object,
) -> None:
    """Print the summary line, unless the run ends with an error that says more.

    The cost that only -v asks for is logged.

    A second signal is not such an error. After a full disk, the rows shown before it count; so
    they do if the programs cost too much.
    """
    if error is None or issubclass(error, KeyboardInterrupt | OutputError | OverheadError):
        seconds = time.monotonic() - started
        _log_details(stats)
        for line in ring_lines(stats):
            eprint(line)
        if stats.cost:
            from beepy.cli import cost_lines  # noqa: PLC0415 - few runs measure it

            for line in cost_lines.lines(stats.cost):
                if shows_cost:
                    eprint(line)
                else:
                    _log.info("%s", line)
        eprint(summary_line(stats, seconds, shows_cost=shows_cost))


def _log_details(stats: RunStats) -> None:
    for schema, (size, peak, _) in stats.rings.items():
        _log.info("map '%s': at most %d of %d bytes in use", safe(schema.map), peak, size)
    for (_, program), missed in stats.missed.items():
        if missed is None:
            _log.info("program '%s': missed runs: unknown", safe(program))


def ring_lines(stats: RunStats) -> Iterator[str]:
    """Yield the size to try for each ring buffer that was too small."""
    for schema, (size, _, wanted) in stats.rings.items():
        if wanted:
            option = f"--map-size {safe(schema.map)}={_size_text(wanted)}"
            yield f"note: {safe(schema.map)}: records did not fit {_size_text(size)}: try {option}"


def _size_text(size: int) -> str:
    for unit, factor in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def summary_line(stats: RunStats, seconds: float, *, shows_cost: bool = False) -> str:
    """Return the last line of every run: how many events were shown, filtered and lost.

    With ``shows_cost`` it has what the run cost, too.
    """
    unknown = _map_names([schema for schema, count in stats.lost.items() if count is None])
    known = sum(count for count in (*stats.lost.values(), *stats.lost_at.values()) if count)
    places = [place for (_, place), count in stats.lost_at.items() if count]
    losers = ", ".join(
        filter(None, [_map_names([schema for schema, n in stats.lost.items() if n]), *places])
    )
    parts = [f"{stats.shown} shown", f"{stats.filtered} filtered"]
    if stats.own:
        parts.append(f"{stats.own} of beepy's own left out")
    if skipped := len(stats.skipped_programs):
        parts.append(f"{skipped} programs left out" if skipped > 1 else "1 program left out")
    if stats.zeros:
        parts.append(f"{stats.zeros} zero {'row' if stats.zeros == 1 else 'rows'} hidden (--zero)")
    if stats.cut_by_count:
        parts.append(f"{stats.cut_by_count} not shown (--count)")
    if stats.cut_by_limit:
        parts.append(f"{stats.cut_by_limit} not shown (--limit)")
    if stats.cut_by_top:
        parts.append(f"{stats.cut_by_top} not shown (--top)")
    if stats.cut_by_output:
        parts.append(f"{stats.cut_by_output} not shown (--output)")
    if stats.cut_by_until:
        parts.append(f"{stats.cut_by_until} not shown (--until)")
    if stats.overwritten:
        parts.append(f"{stats.overwritten} overwritten (--last)")
    evicting = _map_names([*stats.evicting])
    if known or (not unknown and not (evicting and not stats.lost)):
        parts.append(f"{known} lost ({losers})" if losers else "0 lost")
    if unknown:
        parts.append(f"lost unknown ({unknown})")
    if missed := sum(filter(None, stats.missed.values())):
        parts.append(f"{missed} missed {'run' if missed == 1 else 'runs'}")
    elif None in stats.missed.values():
        parts.append("missed runs unknown")
    if stats.sampled > 1:
        parts.append(f"sampled 1/{stats.sampled}")
    if evicting:
        parts.append(f"evictions unknown ({evicting})")
    if shows_cost and stats.cost:
        from beepy.cli import cost_lines  # noqa: PLC0415 - few runs measure it

        parts.append(cost_lines.summary(stats.cost))
    return f"beepy: {', '.join(parts)}, {seconds:.1f} s"


def _map_names(schemas: Sequence[Schema]) -> str:
    return ", ".join(dict.fromkeys([safe(schema.map) for schema in schemas]))


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


def _stop_by_signals(running: Run) -> None:
    """Let the first signal stop the run, and a second one raise KeyboardInterrupt.

    Stopping a run that has ended does nothing.
    """

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        signals.handle(signals.interrupt)
        running.stop()
        signals.end_stalled_write()

    signals.handle(stop)
