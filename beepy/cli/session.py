"""``beepy run``: a run with signals, outputs, metrics and the closing line."""

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
from beepy.cli.standard import STDERR, STDOUT, discard, say
from beepy.errors import OutputError
from beepy.events.batch import Batch, Schema
from beepy.events.stats import RunStats
from beepy.launch import Launched, Request, launch, passing
from beepy.obj.spec import Role
from beepy.outputs import Output
from beepy.session import Run
from beepy.text import safe
from beepy.width import columns_of_terminal

_DEFAULT_PORT: Final = 9091  # bee's
_METRICS: Final = (Role.COUNTER, Role.GAUGE, Role.HIST)


class Show(NamedTuple):
    """How what a run gives is shown: ``output`` is its name, ``buckets`` are the -b, ``value_keys`` the -k.

    The page of metrics is at ``host`` and ``port`` (None: bee's port, where an image has metrics).
    """

    output: str
    buckets: tuple[str, ...] = ()
    value_keys: tuple[str, ...] = ()
    rows: bool = False
    host: str = "127.0.0.1"
    port: int | None = None
    metrics: bool = True


def default_output(*, plain: bool) -> str:
    """Return the output for a run that named none; ``plain`` forbids a screen, which does not exist yet."""
    del plain
    return "columns" if os.isatty(STDOUT) else "json"


def run(request: Request, show: Show) -> None:
    """Run until a signal, ``--count``, ``--timeout`` or a closed pipe ends it; then print the closing line.

    Raises BeepyError; KeyboardInterrupt for a signal before anything is attached. Nothing stays attached either way.
    """
    output = outputs.output(show.output)
    if show.buckets or show.value_keys:
        from beepy.outputs import metric_options  # noqa: PLC0415 - few runs have one

        metric_options.check(show.buckets, show.value_keys)
    with ExitStack() as closing_line:
        launched = launch(request)
        with launched.run as running:
            started = _attach(launched, request, show, output)
            closing_line.push(partial(_close, running.stats, started))
            for _ in running.batches():
                pass
            if running.reader_gone:
                discard()


def _attach(launched: Launched, request: Request, show: Show, output: Output) -> float:
    """Attach, begin to show, and say so on stderr; return the (monotonic) time when it began."""
    running = launched.run
    options = _options(show, running)
    url = _serve(request, show, running, options)
    rows = output.make(STDOUT, options)
    started = time.monotonic()
    gc.freeze()  # what is here now stays: only what comes later is looked through
    gc.enable()
    _stop_by_signals(running)
    if request.timeout is not None:
        signals.end_stalled_write(request.timeout)
    running.attach()
    images = opening.attached(launched.loaded)
    for line in opening.lines(images, request.limit, request.timeout, columns_of_terminal(STDERR)):
        say(line)
    if url:
        say(f"metrics: {url}")
    specs = [collection.spec for one in launched.loaded for collection in one.collections]
    for line in () if running.schemas else opening.nothing_shown(specs):
        say(line)
    running.add_sink(rows)
    return started


def _close(stats: RunStats, started: float, kind: type[BaseException] | None, *_: object) -> None:
    """Print the closing line when all is detached, unless an error (``kind``) says more.

    A second signal is no error, and after a full disk, what was shown before it is what counts.
    """
    if kind is None or issubclass(kind, KeyboardInterrupt | OutputError):
        say(closing(stats, time.monotonic() - started))


def closing(stats: RunStats, seconds: float) -> str:
    """Return the line that ends every run: what became of its events."""
    unknown = _maps([schema for schema, count in stats.lost.items() if count is None])
    known = sum(count for count in stats.lost.values() if count)
    where = _maps([schema for schema, count in stats.lost.items() if count])
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
        parts.append(f"{known} lost ({where})" if where else "0 lost")
    if unknown:
        parts.append(f"lost unknown ({unknown})")
    return f"beepy: {', '.join(parts)}, {seconds:.1f} s"


def _maps(schemas: Sequence[Schema]) -> str:
    return ", ".join(dict.fromkeys([safe(schema.map) for schema in schemas]))


def _options(show: Show, running: Run) -> outputs.RowOptions:
    """Return what was asked of the rows and metrics. Raises UsageError where -b or -k do not fit the maps."""
    options = outputs.RowOptions(show.rows)
    if not (show.buckets or show.value_keys):
        return options
    from beepy.outputs import metric_options  # noqa: PLC0415 - few runs have one

    bounds = metric_options.bounds_of(show.buckets, running.decoders)
    return options._replace(bounds=bounds, values=metric_options.values_of(show.value_keys, running.decoders))


def _serve(request: Request, show: Show, running: Run, options: outputs.RowOptions) -> str:
    """Serve the metrics, if any; return where: a port in use is an error before anything attaches."""
    counted = any(schema.role in _METRICS for schema in running.schemas)
    wanted = counted or show.port is not None or show.buckets or show.value_keys
    if not show.metrics or not wanted:
        return ""
    from beepy.outputs.prometheus import Prometheus  # noqa: PLC0415 - not for every run

    # what a filter remembers belongs to one thread: scrapes have another one
    choose = passing(request.filters, running.decoders)

    def read_tables(schemas: tuple[Schema, ...]) -> Iterator[Batch]:
        return running.snapshot(schemas, choose)

    metrics = Prometheus(
        show.host,
        _DEFAULT_PORT if show.port is None else show.port,
        read_tables=read_tables,
        bounds=options.bounds,
        values=options.values,
        stats=running.stats,
        always=show.port is not None,
    )
    running.add_observer(metrics)
    return metrics.url


def _stop_by_signals(running: Run) -> None:
    """Let a first signal stop the run, or do nothing once it has ended; a second one interrupts what is left."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        signals.handle(signals.interrupt)
        running.stop()
        signals.end_stalled_write()

    signals.handle(stop)
