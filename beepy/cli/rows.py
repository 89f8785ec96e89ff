"""The sink of a run's rows: what -o, --rotate and --top ask for."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from beepy import outputs
from beepy.cli.stdio import STDOUT
from beepy.errors import UsageError
from beepy.events.decoder import Decoder
from beepy.outputs import Destination, RowOptions
from beepy.session import Run
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.events.protocols import Sink  # only types
    from beepy.events.top import Wanted  # few runs ask for it

_FLUSH: Final = 1.0  # seconds: how often what is pending for a file is written


def sink(
    output: str,
    rotate: str,
    top: "Wanted | None",
    running: Run,
    options: RowOptions,
    *,
    instead: "Sink | None" = None,
) -> "tuple[Sink, Sequence[float]]":
    """Return the sink, and at which intervals it gets an empty batch though no rows come.

    ``instead`` takes the place of the output, unless it is None. Nothing is written yet. Raise
    UsageError for what cannot be shown so.
    """
    destination = outputs.destination(output)
    if rotate and not destination.path:
        raise UsageError("--rotate: expected -o FILE too")
    is_pending = bool(destination.path) or destination.output.one_map
    flushes = (_FLUSH,) if is_pending else ()
    if top is None:
        return _rows(destination, rotate, running.decoders, running, options), flushes
    from beepy.events.top import Top  # noqa: PLC0415 - few runs ask for it
    from beepy.outputs.top import TopRows  # noqa: PLC0415 - as above

    groups = Top(top, running.decoders)
    rows = instead or _rows(destination, rotate, groups.decoders, running, options)
    return TopRows(groups, rows, running.stats), (top.every_s, *flushes)


def _rows(
    destination: Destination,
    rotate: str,
    decoders: Sequence[Decoder],
    running: Run,
    options: RowOptions,
) -> "Sink":
    output = destination.output
    shown = _shown(destination, decoders)
    if not destination.path:
        if output.binary and os.isatty(STDOUT):
            raise UsageError(f"--output: bytes, not for a terminal: -o NAME{output.suffix}")
        if output.one_map and len(shown) > 1:
            raise _several(destination, shown)
        from beepy.outputs.row_writer import RowWriter  # noqa: PLC0415 - as imports go

        made = output.make(RowWriter(STDOUT, binary=output.binary), options)
    else:
        from beepy.outputs.files import Files  # noqa: PLC0415 - few runs write files
        from beepy.outputs.rotation import rotation  # noqa: PLC0415 - as above

        made = Files(destination, options, rotation(rotate) if rotate else None)
    if len(shown) == len(decoders):
        return made
    from beepy.outputs.only import OnlyMaps  # noqa: PLC0415 - few outputs show only some maps

    return OnlyMaps(shown, made, running.stats)


def _shown(destination: Destination, decoders: Sequence[Decoder]) -> Sequence[Decoder]:
    """Return the decoders of the maps that the output shows. Raise UsageError if it shows none."""
    lacks = destination.output.lacks
    reasons = [lacks(decoder) if lacks else "" for decoder in decoders]
    shown = [decoder for decoder, reason in zip(decoders, reasons, strict=True) if not reason]
    if not shown and (lacks or destination.output.one_map):
        names = [safe(decoder.schema.map) for decoder in decoders]
        listed = [f"{name}: {reason}" for name, reason in zip(names, reasons, strict=True)]
        why = ", ".join(listed) or "there is none"
        raise UsageError(f"--output: no map can be shown so: {why}")
    return shown


def _several(destination: Destination, decoders: Sequence[Decoder]) -> UsageError:
    names = ", ".join(dict.fromkeys(safe(decoder.schema.map) for decoder in decoders))
    error = UsageError(f"--output: it holds the rows of one map, and there are several: {names}")
    error.add_note(f"-o NAME{destination.suffix} writes a file for each")
    return error
