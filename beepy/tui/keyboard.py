"""Keys that come together: each is for the place where the one before has put the cursor.

textual gives a key to the widget that has the cursor when the key arrives. Keys of one read (fast
typing, a paste) all arrive before the first of them has opened or closed anything.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, Final, TypeAlias

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

_MAX_SWEEPS: Final = 8  # others may send messages, too: without an end
_PATIENCE: Final = 1.0  # seconds, for a widget that is removed meanwhile

_Input: TypeAlias = events.Key | events.Paste


class Keyboard:
    """Holds keys back until all is done that the one before asked for."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._waiting: deque[_Input] = deque()
        self._released: _Input | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether keys are held back."""
        return self._task is not None

    def holds(self, event: events.Event) -> bool:
        """Keep an event of the app for later, if it is a key that came too early.

        The app calls it first of all with each event.
        """
        if not isinstance(event, _Input) or event.is_forwarded or event is self._released:
            return False
        if self._task is None and not self._is_at_work():
            return False
        self._waiting.append(event)
        self._task = self._task or asyncio.create_task(self._work())
        return True

    async def _work(self) -> None:
        """Release one key after the other."""
        try:
            while self._waiting:
                await self._settle()
                self._released = self._waiting.popleft()
                self._app.post_message(self._released)
                await self._pass(self._app)
        finally:
            self._task = self._released = None

    def _pumps(self) -> list[MessagePump]:
        """Return what a key goes through: from the widget with the cursor up to the app."""
        return [*(self._app.focused or self._app.screen).ancestors_with_self]

    def _is_at_work(self) -> bool:
        """Whether there are messages that have not been looked at, or a box that just opens."""
        waiting = any(pump.message_queue_size for pump in self._pumps())
        return waiting or not self._app.screen.is_mounted

    async def _settle(self) -> None:
        """Wait until nothing is asked for."""
        for _ in range(_MAX_SWEEPS):
            for pump in self._pumps():
                await self._pass(pump)
            if not self._is_at_work():
                break

    async def _pass(self, pump: MessagePump) -> None:
        """Wait until a widget has done all that it has been sent up to now."""
        done = asyncio.Event()
        if pump.call_later(done.set):
            patience = None if pump is self._app else _PATIENCE
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), patience)
