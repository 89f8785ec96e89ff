"""Show a run on the terminal from its first row to its end."""

import gc
import signal
import threading
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Final

from beepy import threads
from beepy.errors import OutputError
from beepy.log import Log
from beepy.outputs import RowOptions
from beepy.session import Run
from beepy.tui.about import About
from beepy.tui.model import Model
from beepy.tui.recording import Recording
from beepy.tui.terminal_file import OF_TEXTUAL, UNHANDLED, TerminalFile
from beepy.tui.timeline import Timeline

if TYPE_CHECKING:
    from beepy.tui.app import ScreenApp  # imports textual

_log = Log(__name__)

SCROLLBACK: Final = 10_000  # rows that are kept of each map
REPLAYED: Final = 1_000_000  # the same of a recording


class Showing:
    """The screen of one run; ``sink`` is to be added to it, ``recording`` as an observer.

    ``stays``: at the end of the run, the screen stays until the user leaves.
    """

    def __init__(
        self, options: RowOptions, scrollback: int, recording: Recording | None, *, stays: bool
    ) -> None:
        self.sink = Model(options, scrollback, None if recording else Timeline())
        self.recording = recording
        self._stays = stays
        self._app: ScreenApp | None = None
        self._file = TerminalFile()  # before privileges are given up: it may be another user's
        self._is_leaving = False
        self._is_drawing = False
        self._is_interrupted = False  # by a second signal, while it drew
        self._error: BaseException | None = None  # of the run
        self._ended = threading.Event()
        self.messages: Iterable[str] = ()  # written to stderr while the screen was there
        self.lines: Sequence[str] = ()  # on the screen at its end

    def leave(self) -> None:
        """End the screen; for signal handlers."""
        self._is_leaving = True
        self._file.leave()
        if self._app:
            self._app.leave()

    def again(self, number: int, frame: FrameType | None) -> None:
        """Handle a second signal: raise KeyboardInterrupt once the terminal is as it was."""
        del number, frame
        if not self._is_drawing:
            raise KeyboardInterrupt
        self._is_interrupted = True

    def close(self) -> None:
        """Release the terminal."""
        self._file.close()

    def show(self, running: Run, about: About) -> None:
        """Iterate over the run, and show it.

        The rings are read while textual is imported. Raise what the run raises, and OutputError if
        the screen fails.
        """
        worker = threads.start(lambda: self._iterate(running), "run")
        failure: Exception | None = None
        handlers = {number: signal.getsignal(number) for number in (*OF_TEXTUAL, *UNHANDLED)}
        for number in UNHANDLED:
            if handlers[number] == signal.SIG_DFL:
                signal.signal(number, lambda *_: self.leave())
        try:
            app = self._make_app(running, about)
            if not (self._is_leaving or self._error):
                self._is_drawing = True
                with self._file.restored():
                    app.run()
                    failure = app.failure
                    self.messages = app.foot.kept
                    if not self._file.is_gone:
                        self.lines = app.last_lines
        finally:
            self._is_drawing = False
            running.stop()
            self._app = None
            for number, handler in handlers.items():
                signal.signal(number, handler)
            if self._is_interrupted:
                raise KeyboardInterrupt
            worker.join()
        if self._error:
            raise self._error
        if failure:
            raise _as_error(failure) from failure

    def _iterate(self, running: Run) -> None:
        """Take the rows; the function of the run's thread."""
        try:
            for _ in running.batches():
                pass
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            self._error = error
        self._ended.set()
        if self._app:
            self._app.ended()
            if self._error or not self._stays:
                self._app.leave()

    def _make_app(self, running: Run, about: About) -> "ScreenApp":
        gc.disable()  # imports make many objects, and no garbage
        from beepy.tui.app import ScreenApp  # noqa: PLC0415 - the programs are attached before
        from beepy.tui.driver import TerminalDriver  # noqa: PLC0415 - as above

        gc.freeze()
        gc.enable()
        TerminalDriver.file = self._file
        self._app = ScreenApp(self.sink, about, running.stats, self.recording)
        if self._ended.is_set():
            self._app.ended()
        return self._app


def _as_error(failure: Exception) -> OutputError:
    """Return the error that is reported when the screen could not go on."""
    if isinstance(failure, OutputError):
        return failure
    at = failure.__traceback__
    while at and at.tb_next:
        at = at.tb_next
    place = f" ({at.tb_frame.f_code.co_filename}:{at.tb_lineno})" if at else ""
    _log.debug("screen: %s", failure, exc_info=True)
    error = OutputError(f"screen: {type(failure).__name__}: {failure}{place}")
    error.add_note("-o columns shows the same without a screen")
    return error
