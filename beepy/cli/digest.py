"""The JSON of ``--summary``, at the end of a run."""

import time

from beepy.cli.stdio import STDOUT, redirect_to_null
from beepy.errors import OverheadError
from beepy.launch import Launched
from beepy.outputs.row_writer import RowWriter
from beepy.outputs.summary import Summary


class Digest:
    """What a run becomes in 2 kB; ``sink`` takes the place of its rows."""

    def __init__(self, launched: Launched) -> None:
        self.sink = Summary()
        self._launched = launched

    def print(self, started: float, error: type[BaseException] | None, *_: object) -> None:
        """Write it to stdout, unless the run ended with an error that says more."""
        if error is not None and not issubclass(error, KeyboardInterrupt | OverheadError):
            return
        seconds = time.monotonic() - started
        names, stats = self._launched.image_names, self._launched.run.stats
        text = self.sink.text(names, stats, seconds)
        try:
            RowWriter(STDOUT).write(text)
        except BrokenPipeError:
            redirect_to_null()
