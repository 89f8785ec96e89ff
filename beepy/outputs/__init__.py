"""TABLE: name -> sink of rows. Metrics (``prometheus``) are another sink of the same run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from beepy.errors import UsageError
from beepy.text import safe

if TYPE_CHECKING:
    # only types: the table is for --help, too, which knows no records
    from beepy.events.batch import Schema
    from beepy.events.decoder import Decoder
    from beepy.events.fields import Field
    from beepy.events.protocols import Sink
    from beepy.outputs.row_writer import RowWriter

STDOUT: Final = 1
_PACKED: Final = ".zst"
_IMAGE: Final = "image"


class RowOptions(NamedTuple):
    """The options of outputs that show more than rows.

    ``rows``: show the rows of counters, gauges and histograms instead of their totals. ``bounds``
    are those of -b, ``values`` the fields of -k, ``labels`` those of --labels.
    """

    rows: bool = False
    bounds: "Mapping[Schema, Sequence[float]]" = MappingProxyType({})
    values: "Mapping[Schema, Field]" = MappingProxyType({})
    labels: "Mapping[Schema, tuple[Field, ...]]" = MappingProxyType({})


DEFAULT: Final = RowOptions()


class Output(NamedTuple):
    """A way to show rows.

    ``make`` returns a sink that writes to a writer, whose descriptor the caller owns.
    ``hides_zeros``: rows of tables with the value 0 are shown only with --zero. ``shows_rows``:
    tables are read for it at each interval. ``suffix`` is how the names of its files end, "" if
    ``-o FILE`` does not write such. ``packs``: lines, which may be compressed. ``binary``: not for
    a terminal. ``one_map``: it holds the rows of one map; of several, each has a file of its own.
    ``whole``: nothing can be read before the end, so that the file has another name until then.
    ``lacks`` returns why a map is not shown, "" if it is; None: all maps are. ``is_screen``: the
    screen of ``tui`` shows it, which owns the terminal, and ``make`` raises UsageError.
    ``shows_meanings``: numbers are shown as what they mean; ``names_stacks``: so are stacks.
    """

    make: "Callable[[RowWriter, RowOptions], Sink]"
    hides_zeros: bool = False
    shows_rows: bool = True
    suffix: str = ""
    packs: bool = False
    binary: bool = False
    one_map: bool = False
    whole: bool = False
    lacks: "Callable[[Decoder], str] | None" = None
    is_screen: bool = False
    shows_meanings: bool = False
    names_stacks: bool = False


class Destination(NamedTuple):
    """Where rows go: ``path`` is a file, "" for standard output. ``packed``: compressed (zstd)."""

    output: Output
    path: str = ""
    packed: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether every map is shown so, on standard output, whatever that is."""
        return not self.path and not self.output.binary and self.output.lacks is None

    @property
    def suffix(self) -> str:
        """How the file's name ends."""
        return self.output.suffix + (_PACKED if self.packed else "")


def _json(writer: "RowWriter", options: RowOptions) -> "Sink":
    from beepy.outputs.jsonl import JsonLines  # noqa: PLC0415 - import only the sink that is used

    del options
    return JsonLines(writer)


def _csv(writer: "RowWriter", options: RowOptions) -> "Sink":
    from beepy.outputs.csv_lines import CsvLines  # noqa: PLC0415 - as above

    del options
    return CsvLines(writer)


def _columns(writer: "RowWriter", options: RowOptions, *, wide: bool = False) -> "Sink":
    from beepy.outputs.columns import Columns  # noqa: PLC0415 - as above
    from beepy.outputs.columns.terminal import Terminal  # noqa: PLC0415 - as above

    return Columns(writer, options, Terminal(writer.fd, wide=wide))


def _wide(writer: "RowWriter", options: RowOptions) -> "Sink":
    return _columns(writer, options, wide=True)


def _screen(writer: "RowWriter", options: RowOptions) -> "Sink":
    del writer, options
    raise UsageError("output 'tui': it is a screen of the command line, and no sink")


def _none(writer: "RowWriter", options: RowOptions) -> "Sink":
    from beepy.outputs.none import NullSink  # noqa: PLC0415 - as above

    del writer, options
    return NullSink()


def _folded(writer: "RowWriter", options: RowOptions) -> "Sink":
    from beepy.outputs.folded import Folded  # noqa: PLC0415 - as above

    del options
    return Folded(writer)


def _pprof(writer: "RowWriter", options: RowOptions) -> "Sink":
    from beepy.outputs.pprof import Pprof  # noqa: PLC0415 - as above

    del options
    return Pprof(writer)


def _no_stacks(decoder: "Decoder") -> str:
    from beepy.events import stacks  # noqa: PLC0415 - as above

    return stacks.lacks(decoder)


def _arrow(writer: "RowWriter", options: RowOptions) -> "Sink":
    from beepy.outputs.arrow import ArrowRows  # noqa: PLC0415 - as above

    del options
    return ArrowRows(writer)


def _parquet(writer: "RowWriter", options: RowOptions) -> "Sink":
    from beepy.outputs.parquet import ParquetRows  # noqa: PLC0415 - as above

    del options
    return ParquetRows(writer)


def _perfetto(writer: "RowWriter", options: RowOptions) -> "Sink":
    from beepy.outputs.perfetto import TraceEvents  # noqa: PLC0415 - as above

    del options
    return TraceEvents(writer)


def _no_span(decoder: "Decoder") -> str:
    from beepy.events import spans  # noqa: PLC0415 - as above

    return spans.lacks(decoder)


TABLE: Final[dict[str, Output]] = {
    "json": Output(_json, suffix=".jsonl", packs=True),
    "csv": Output(_csv, suffix=".csv", packs=True),
    "columns": Output(_columns, hides_zeros=True, shows_meanings=True),
    "wide": Output(_wide, hides_zeros=True, shows_meanings=True),
    "none": Output(_none, shows_rows=False),
    "tui": Output(_screen, hides_zeros=True, is_screen=True, shows_meanings=True),
    "folded": Output(_folded, suffix=".folded", lacks=_no_stacks, names_stacks=True),
    "pprof": Output(_pprof, suffix=".pb.gz", binary=True, lacks=_no_stacks, names_stacks=True),
    "arrow": Output(_arrow, suffix=".arrow", binary=True, one_map=True),
    "parquet": Output(_parquet, suffix=".parquet", binary=True, one_map=True, whole=True),
    "perfetto": Output(_perfetto, suffix=".trace.json", lacks=_no_span),
}


def suffixes() -> tuple[str, ...]:
    """Return how the names of files may end."""
    plain = [row.suffix for row in TABLE.values() if row.suffix]
    return (*plain, *[row.suffix + _PACKED for row in TABLE.values() if row.packs])


def destination(text: str) -> Destination:
    """Return what -o asks for: an output's name, or a file. Raises UsageError for other texts."""
    if text in TABLE:
        return Destination(TABLE[text])
    name = text.rpartition("/")[2]
    for row in TABLE.values():
        for end in (row.suffix, row.suffix + _PACKED if row.packs else ""):
            if end and name.endswith(end) and name != end:
                return Destination(row, text, packed=end != row.suffix)
    files = ", ".join([f"NAME{suffix}" for suffix in suffixes()])
    expected = f"{', '.join(TABLE)}, or a file: {files}"
    error = UsageError(f"output '{safe(text)}': unknown: expected {expected}")
    if text.endswith(".json"):
        error.add_note(f"-o {safe(text)}l writes JSON lines")
    raise error


def output(name: str) -> Output:
    """Return the output of that name, or of a file. Raises UsageError if it is unknown."""
    return destination(name).output


def make(name: str, fd: int = STDOUT, options: RowOptions = DEFAULT) -> "Sink":
    """Return the sink of that name, which writes to ``fd``. Raises UsageError if it is unknown."""
    from beepy.outputs.row_writer import RowWriter  # noqa: PLC0415 - not for the options' table

    row = output(name)
    return row.make(RowWriter(fd, binary=row.binary), options)


def image_name(decoders: "Iterable[Decoder]") -> str:
    """Return the name, "" if all maps are of one image: then no row says which.

    It is ``image``, with ``_`` behind it as often as a record has such a field.
    """
    decoders = tuple(decoders)
    if len({decoder.schema.image for decoder in decoders}) < 2:
        return ""
    taken = {field.path[0] for decoder in decoders for field in decoder.fields}
    name = _IMAGE
    while name in taken:
        name += "_"
    return name
