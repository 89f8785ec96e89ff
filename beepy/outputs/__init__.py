"""Where rows go: one file a sink. Metrics (``prometheus``) are opened beside one of these, by the command."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy.errors import UsageError
from beepy.events.batch import Schema, Sink
from beepy.events.fields import Field
from beepy.text import safe

NAMES: Final = ("json", "columns", "wide", "none")
STDOUT: Final = 1


class Options(NamedTuple):
    """What was asked of the rows, for the outputs that show more than rows.

    ``rows``: the rows of counters, gauges and histograms, not what they come to. ``bounds`` are those of -b, ``values``
    the fields of -k.
    """

    rows: bool = False
    bounds: Mapping[Schema, Sequence[float]] = MappingProxyType({})
    values: Mapping[Schema, Field] = MappingProxyType({})


DEFAULT: Final = Options()


def make(name: str, fd: int = STDOUT, options: Options = DEFAULT) -> Sink:
    """Return the sink of that name, writing to ``fd``, which stays the caller's.

    Raises UsageError for an unknown name.
    """
    match name:
        case "json":
            from beepy.outputs.file import Rows  # noqa: PLC0415
            from beepy.outputs.jsonl import JsonLines  # noqa: PLC0415 - only the sink that is used is loaded

            return JsonLines(Rows(fd))
        case "columns" | "wide":
            from beepy.outputs.columns import Columns  # noqa: PLC0415
            from beepy.outputs.columns.terminal import Terminal  # noqa: PLC0415
            from beepy.outputs.file import Rows  # noqa: PLC0415

            return Columns(Rows(fd), options, Terminal(fd, wide=name == "wide"))
        case "none":
            from beepy.outputs.none import Silent  # noqa: PLC0415

            return Silent()
        case _:
            raise UsageError(f"output '{safe(name)}': unknown: expected {', '.join(NAMES)}")
