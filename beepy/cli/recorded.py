"""What --record and --last ask for."""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from beepy import __version__
from beepy.cli.stdio import eprint
from beepy.session import Run
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.events.protocols import Sink  # only types
    from beepy.launch import Loaded  # as above


def recorder(path: str, last: int | None, running: Run, images: "Sequence[Loaded]") -> "Sink":
    """Return the sink that records to a file; of ``last`` bytes in memory if that is given."""
    about = about_run(images)
    if last is None:
        from beepy.recording.recorder import Recorder  # noqa: PLC0415 - few runs record

        return Recorder(path, about, running.stats)
    from beepy.recording.flight import FlightRecorder  # noqa: PLC0415 - as above

    flight = FlightRecorder(path, about, last, running.stats, _say)
    tables = tuple([schema for schema in running.schemas if not schema.is_stream])

    def request(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        flight.request()
        running.source.demand(tables)  # a batch comes, though nothing happens
        running.source.demand(())

    undo = ExitStack()
    undo.callback(partial(signal.signal, signal.SIGUSR1, signal.signal(signal.SIGUSR1, request)))
    running.add_resources(undo)
    return flight


def about_run(images: "Sequence[Loaded]") -> Mapping[str, object]:
    """Return what a recording says of its run."""
    names = {image.name: image.image.digest if image.image else "" for image in images}
    return {"beepy": __version__, "images": names, "machine": os.uname().release}


def _say(path: str, records: int) -> None:
    eprint(f"{safe(path)}: {records} {'record' if records == 1 else 'records'}")
