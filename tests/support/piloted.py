"""Drive a full screen by keys, without a terminal."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from textual.app import App
from textual.pilot import Pilot

_Result = TypeVar("_Result")


class Driver:
    """Presses keys and reads what the screen shows then."""

    def __init__(self, pilot: Pilot[Any]) -> None:
        self.pilot = pilot
        self.app = pilot.app

    async def press(self, *keys: str) -> list[str]:
        """Press keys, wait for what is done in threads; return the lines of the screen."""
        await self.pilot.press(*keys)
        while (keyboard := getattr(self.app, "keyboard", None)) and keyboard.is_busy:
            await self.pilot.pause(0)
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()
        return self.lines()

    async def resize(self, width: int, height: int) -> list[str]:
        """Change the terminal's size; return the lines of the screen."""
        await self.pilot.resize_terminal(width, height)
        return await self.press()

    def lines(self) -> list[str]:
        """Return what the screen shows."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]


def drive(
    app: App[_Result],
    steps: Callable[[Driver], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
) -> _Result | None:
    """Run an app of that size while ``steps`` uses it; return what it returns."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            driver = Driver(pilot)
            await driver.press()
            await steps(driver)
            await pilot.pause()

    asyncio.run(run())
    return app.return_value
