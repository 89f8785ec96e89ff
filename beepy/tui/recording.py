"""``r``: record from now on, until it is pressed again."""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from beepy.errors import OutputError
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.recording.recorder import Recorder  # few runs record


class Recording:
    """An observer of the run that writes to a recording while one is started.

    ``about`` is what the file says of the run. An error of the disk ends the recording, not the
    run: ``error`` has it.
    """

    def __init__(self, about: Mapping[str, object]) -> None:
        self.path = ""
        self.rows = 0
        self.error = ""
        self.done: list[str] = []  # a line for each file that was recorded
        self._about = about
        self._decoders: Sequence[Decoder] = ()
        self._recorder: Recorder | None = None
        self._lock = threading.Lock()

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Keep the decoders for the recordings to come."""
        self._decoders = decoders

    def write(self, batch: Batch) -> None:
        """Record a batch, in the run's thread."""
        if self._recorder is None:
            return
        with self._lock:
            if self._recorder is None:
                return
            try:
                self._recorder.write(batch)
                self.rows += batch.records
            except OutputError as error:
                self.error = str(error)
                self._recorder.close()
                self._recorder = None
                self._note()

    def start(self, path: str) -> None:
        """Begin a new file. Raise OutputError."""
        from beepy.recording.recorder import Recorder  # noqa: PLC0415 - few runs record

        recorder = Recorder(path, self._about)
        recorder.open(self._decoders)
        with self._lock:
            self.path, self.rows, self.error = path, 0, ""
            self._recorder = recorder

    def stop(self) -> None:
        """End the file. Raise OutputError."""
        with self._lock:
            recorder, self._recorder = self._recorder, None
        if recorder:
            recorder.close()
            self._note()

    def _note(self) -> None:
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        self.done.append(f"{rows} recorded: beepy replay {safe(self.path)}")

    @property
    def is_on(self) -> bool:
        """Whether it records now."""
        return self._recorder is not None

    def close(self) -> None:
        """End the file that is written, at the end of the run."""
        self.stop()
