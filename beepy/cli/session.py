"""One run of the command line: signals, outputs, metrics and the summary line."""

import gc
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import Final, NamedTuple

from beepy import outputs
from beepy.cli import opening, signals
from beepy.cli.stdio import STDERR, STDOUT, eprint, redirect_to_null
from beepy.errors import OutputError, OverheadError
from beepy.events.batch import Batch, Schema
from beepy.events.stats import RunStats
from beepy.launch import Loaded, RunRequest, launch, passing
from beepy.log import Log
from beepy.obj.spec import Role
from beepy.outputs import Output
from beepy.session import Run
from beepy.text import safe
from beepy.width import columns_of_terminal

_log = Log(__name__)

_DEFAULT_PORT: Final = 9091  # bee's
_METRICS: Final = (Role.COUNTER, Role.GAUGE, Role.HIST)


class ShowOptions(NamedTuple):
    """How rows and metrics are shown: ``output`` is its name in ``outputs.TABLE``.

    ``buckets`` are the values of -b, ``value_keys`` those of -k. The metrics page is served at
    ``host`` and ``port``; without a port at bee's, if an image has metrics. ``cost``: the summary
    has what the run cost.
    """

    output: str
    buckets: tuple[str, ...] = ()
    value_keys: tuple[str, ...] = ()
    rows: bool = False
    host: str = "127.0.0.1"
    port: int | None = None
    metrics: bool = True
    cost: bool = False


def default_output(*, plain: bool) -> str:
    """Return the output of a run without -o; ``plain`` (--no-tty) has no other effect yet."""
    del plain
    return "columns" if os.isatty(STDOUT) else "json"


def run(request: RunRequest, options: ShowOptions) -> None:
    """Run until a signal, ``--count``, ``--timeout`` or a closed pipe; print the summary line.

    Raise BeepyError, and KeyboardInterrupt for a signal before anything is attached. In any case
    nothing stays attached.
    """
    output = outputs.output(options.output)
    if options.buckets or options.value_keys:
        from beepy.outputs import metric_options  # noqa: PLC0415 - few runs have one

        metric_options.check(options.buckets, options.value_keys)
    # The summary comes last, when everything is detached and the sinks are closed: leaving
    # running adds the last losses to the stats.
    with ExitStack() as summary:
        running, loaded = launch(request)
        with running:
            started = _attach(running, loaded, request, options, output)
            summary.push(partial(_print_summary, running.stats, started, options.cost))
            for _ in running.batches():
                pass
            if running.reader_gone:
                redirect_to_null()


def _attach(
    running: Run,
    loaded: Sequence[Loaded],
    request: RunRequest,
    options: ShowOptions,
    output: Output,
) -> float:
    """Open the outputs, attach, and report it on stderr; return the (monotonic) start time."""
    row_options = _row_options(options, running)
    # errors of the outputs, such as a port in use, are raised before anything is attached
    url = _serve_metrics(request, options, running, row_options)
    rows = output.make(STDOUT, row_options)
    started = time.monotonic()
    gc.freeze()  # all objects so far live as long as the run: the collector need not visit them
    gc.enable()
    _stop_by_signals(running)
    if request.timeout is not None:
        signals.end_stalled_write(request.timeout)
    running.attach()
    images = opening.attached(loaded)
    for line in opening.lines(images, request.limit, request.timeout, columns_of_terminal(STDERR)):
        eprint(line)
    if url:
        eprint(f"metrics: {url}")
    if not running.schemas:
        specs = [collection.spec for image in loaded for collection in image.collections]
        for line in opening.nothing_shown(specs, traced=request.trace is not None):
            eprint(line)
    running.add_sink(rows)
    return started


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
        if stats.cost:
            from beepy.cli import cost_lines  # noqa: PLC0415 - few runs measure it

            for line in cost_lines.lines(stats.cost):
                if shows_cost:
                    eprint(line)
                else:
                    _log.info("%s", line)
        eprint(summary_line(stats, seconds, shows_cost=shows_cost))


def summary_line(stats: RunStats, seconds: float, *, shows_cost: bool = False) -> str:
    """Return the last line of every run: how many events were shown, filtered and lost.

    With ``shows_cost`` it has what the run cost, too.
    """
    unknown = _map_names([schema for schema, count in stats.lost.items() if count is None])
    known = sum(count for count in stats.lost.values() if count)
    losers = _map_names([schema for schema, count in stats.lost.items() if count])
    parts = [f"{stats.shown} shown", f"{stats.filtered} filtered"]
    if stats.own:
        parts.append(f"{stats.own} of beepy's own left out")
    if skipped := len(stats.skipped_programs):
        parts.append(f"{skipped} programs left out" if skipped > 1 else "1 program left out")
    if stats.zeros:
        parts.append(f"{stats.zeros} zero {'row' if stats.zeros == 1 else 'rows'} hidden (--zero)")
    if stats.cut_by_count:
        parts.append(f"{stats.cut_by_count} not shown (--count)")
    if known or not unknown:
        parts.append(f"{known} lost ({losers})" if losers else "0 lost")
    if unknown:
        parts.append(f"lost unknown ({unknown})")
    if shows_cost and stats.cost:
        from beepy.cli import cost_lines  # noqa: PLC0415 - few runs measure it

        parts.append(cost_lines.summary(stats.cost))
    return f"beepy: {', '.join(parts)}, {seconds:.1f} s"


def _map_names(schemas: Sequence[Schema]) -> str:
    return ", ".join(dict.fromkeys([safe(schema.map) for schema in schemas]))


def _row_options(options: ShowOptions, running: Run) -> outputs.RowOptions:
    """Return the options of the rows and metrics. Raise UsageError if -b or -k fit no map."""
    row_options = outputs.RowOptions(options.rows)
    if not (options.buckets or options.value_keys):
        return row_options
    from beepy.outputs import metric_options  # noqa: PLC0415 - few runs have one

    return row_options._replace(
        bounds=metric_options.bounds_of(options.buckets, running.decoders),
        values=metric_options.values_of(options.value_keys, running.decoders),
    )


def _serve_metrics(
    request: RunRequest, options: ShowOptions, running: Run, row_options: outputs.RowOptions
) -> str:
    """Serve the metrics page if it is wanted; return its URL or "". Raise OutputError."""
    has_metrics = any(schema.role in _METRICS for schema in running.schemas)
    asked_for = options.port is not None or options.buckets or options.value_keys
    if not options.metrics or not (has_metrics or asked_for):
        return ""
    from beepy.outputs.prometheus import Prometheus  # noqa: PLC0415 - not for every run

    # a second filter for the server's thread: filters cache results and are not thread-safe
    choose = passing(request.filters, running.decoders)

    def read_tables(schemas: tuple[Schema, ...]) -> Iterator[Batch]:
        return running.snapshot(schemas, choose)

    metrics = Prometheus(
        options.host,
        _DEFAULT_PORT if options.port is None else options.port,
        read_tables=read_tables,
        bounds=row_options.bounds,
        values=row_options.values,
        stats=running.stats,
        always=options.port is not None,
    )
    running.add_observer(metrics)
    return metrics.url


def _stop_by_signals(running: Run) -> None:
    """Let the first signal stop the run, and a second one raise KeyboardInterrupt.

    Stopping a run that has ended does nothing.
    """

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        signals.handle(signals.interrupt)
        running.stop()
        signals.end_stalled_write()

    signals.handle(stop)
