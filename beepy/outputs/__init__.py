"""TABLE: name -> sink of rows. Metrics (``prometheus``) are another sink of the same run."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from beepy.errors import UsageError
from beepy.events.batch import Schema
from beepy.events.fields import Field
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.events.protocols import Sink  # only types

STDOUT: Final = 1


class RowOptions(NamedTuple):
    """The options of outputs that show more than rows.

    ``rows``: show the rows of counters, gauges and histograms instead of their totals. ``bounds``
    are those of -b, ``values`` the fields of -k, ``labels`` those of --labels.
    """

    rows: bool = False
    bounds: Mapping[Schema, Sequence[float]] = MappingProxyType({})
    values: Mapping[Schema, Field] = MappingProxyType({})
    labels: Mapping[Schema, tuple[Field, ...]] = MappingProxyType({})


DEFAULT: Final = RowOptions()


class Output(NamedTuple):
    """A way to show rows.

    ``make`` returns a sink that writes to a file descriptor, which the caller owns.
    ``hides_zeros``: rows of tables with the value 0 are shown only with --zero. ``shows_rows``:
    tables are read for it at each interval. ``is_screen``: the screen of ``tui`` shows it, which
    owns the terminal, and ``make`` raises UsageError.
    """

    make: "Callable[[int, RowOptions], Sink]"
    hides_zeros: bool = False
    shows_rows: bool = True
    is_screen: bool = False


def _json(fd: int, options: RowOptions) -> "Sink":
    from beepy.outputs.jsonl import JsonLines  # noqa: PLC0415 - import only the sink that is used
    from beepy.outputs.row_writer import RowWriter  # noqa: PLC0415 - as above

    del options
    return JsonLines(RowWriter(fd))


def _csv(fd: int, options: RowOptions) -> "Sink":
    from beepy.outputs.csv_lines import CsvLines  # noqa: PLC0415 - as above
    from beepy.outputs.row_writer import RowWriter  # noqa: PLC0415 - as above

    del options
    return CsvLines(RowWriter(fd))


def _columns(fd: int, options: RowOptions, *, wide: bool = False) -> "Sink":
    from beepy.outputs.columns import Columns  # noqa: PLC0415 - as above
    from beepy.outputs.columns.terminal import Terminal  # noqa: PLC0415 - as above
    from beepy.outputs.row_writer import RowWriter  # noqa: PLC0415 - as above

    return Columns(RowWriter(fd), options, Terminal(fd, wide=wide))


def _wide(fd: int, options: RowOptions) -> "Sink":
    return _columns(fd, options, wide=True)


def _screen(fd: int, options: RowOptions) -> "Sink":
    del fd, options
    raise UsageError("output 'tui': it is a screen of the command line, and no sink")


def _none(fd: int, options: RowOptions) -> "Sink":
    from beepy.outputs.none import NullSink  # noqa: PLC0415 - as above

    del fd, options
    return NullSink()


TABLE: Final[dict[str, Output]] = {
    "json": Output(_json),
    "csv": Output(_csv),
    "columns": Output(_columns, hides_zeros=True),
    "wide": Output(_wide, hides_zeros=True),
    "none": Output(_none, shows_rows=False),
    "tui": Output(_screen, hides_zeros=True, is_screen=True),
}


def output(name: str) -> Output:
    """Return the output of that name. Raises UsageError if it is unknown."""
    row = TABLE.get(name)
    if row is None:
        raise UsageError(f"output '{safe(name)}': unknown: expected {', '.join(TABLE)}")
    return row


def make(name: str, fd: int = STDOUT, options: RowOptions = DEFAULT) -> "Sink":
    """Return the sink of that name, which writes to ``fd``. Raises UsageError if it is unknown."""
    return output(name).make(fd, options)
