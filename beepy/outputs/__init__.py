"""TABLE: name -> sink of rows. Metrics (``prometheus``) are served beside one of these."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy.errors import UsageError
from beepy.events.batch import Schema
from beepy.events.fields import Field
from beepy.events.protocols import Sink
from beepy.text import safe

STDOUT: Final = 1


class Options(NamedTuple):
    """What was asked of the rows, for the outputs that show more than rows.

    ``rows``: show the rows of counters, gauges and histograms, not what they add up to. ``bounds`` are those of -b,
    ``values`` the fields of -k.
    """

    rows: bool = False
    bounds: Mapping[Schema, Sequence[float]] = MappingProxyType({})
    values: Mapping[Schema, Field] = MappingProxyType({})


DEFAULT: Final = Options()


class Output(NamedTuple):
    """One way to show rows.

    ``make`` returns a sink that writes to a file descriptor, which stays the caller's. ``hides_zeros``: rows of tables
    whose value is 0 are shown only with --zero. ``shows_rows``: tables are read for it at each interval.
    """

    make: Callable[[int, Options], Sink]
    hides_zeros: bool = False
    shows_rows: bool = True


def _json(fd: int, options: Options) -> Sink:
    from beepy.outputs.file import RowWriter  # noqa: PLC0415 - only the sink that is used is imported
    from beepy.outputs.jsonl import JsonLines  # noqa: PLC0415

    del options
    return JsonLines(RowWriter(fd))


def _columns(fd: int, options: Options, *, wide: bool = False) -> Sink:
    from beepy.outputs.columns import Columns  # noqa: PLC0415 - as above
    from beepy.outputs.columns.terminal import Terminal  # noqa: PLC0415
    from beepy.outputs.file import RowWriter  # noqa: PLC0415

    return Columns(RowWriter(fd), options, Terminal(fd, wide=wide))


def _wide(fd: int, options: Options) -> Sink:
    return _columns(fd, options, wide=True)


def _none(fd: int, options: Options) -> Sink:
    from beepy.outputs.none import NullSink  # noqa: PLC0415 - as above

    del fd, options
    return NullSink()


TABLE: Final[dict[str, Output]] = {
    "json": Output(_json),
    "columns": Output(_columns, hides_zeros=True),
    "wide": Output(_wide, hides_zeros=True),
    "none": Output(_none, shows_rows=False),
}


def output(name: str) -> Output:
    """Return the output of that name. Raises UsageError for an unknown one."""
    found = TABLE.get(name)
    if found is None:
        raise UsageError(f"output '{safe(name)}': unknown: expected {', '.join(TABLE)}")
    return found


def make(name: str, fd: int = STDOUT, options: Options = DEFAULT) -> Sink:
    """Return the sink of that name, writing to ``fd``. Raises UsageError for an unknown name."""
    return output(name).make(fd, options)
