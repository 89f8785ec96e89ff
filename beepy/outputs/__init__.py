"""Where rows go: one file a sink. Metrics (``prometheus``) are opened beside one of these, by the command."""

from typing import Final

from beepy.errors import UsageError
from beepy.events.batch import Sink
from beepy.text import safe

NAMES: Final = ("json", "columns", "none")
STDOUT: Final = 1


def make(name: str, fd: int = STDOUT) -> Sink:
    """Return the sink of that name, writing to ``fd``, which stays the caller's.

    Raises UsageError for an unknown name.
    """
    match name:
        case "json":
            from beepy.outputs.file import Rows  # noqa: PLC0415
            from beepy.outputs.jsonl import JsonLines  # noqa: PLC0415 - only the sink that is used is loaded

            return JsonLines(Rows(fd))
        case "columns":
            from beepy.outputs.columns import Columns  # noqa: PLC0415
            from beepy.outputs.file import Rows  # noqa: PLC0415

            return Columns(Rows(fd))
        case "none":
            from beepy.outputs.none import Silent  # noqa: PLC0415

            return Silent()
        case _:
            raise UsageError(f"output '{safe(name)}': unknown: expected {', '.join(NAMES)}")
