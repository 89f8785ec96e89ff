"""The screen without a terminal: textual's pilot presses the keys."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from textual.events import Key
from textual.pilot import Pilot

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.outputs import DEFAULT, RowOptions
from beepy.tui.about import About, ImageAbout
from beepy.tui.app import ScreenApp
from beepy.tui.model import Model
from beepy.tui.recording import Recording

NAMED = {"slash": "/", "question_mark": "?", "less_than_sign": "<", "greater_than_sign": ">"}
ABOUT = About((ImageAbout("exitsnoop", 1, ("tracepoint/sched/sched_process_exit",)),))


class Pressed:
    """An app under a pilot, its model, and what it shows."""

    def __init__(self, app: ScreenApp, pilot: "Pilot[None]", model: Model) -> None:
        self.app, self.pilot, self.model = app, pilot, model

    async def press(self, *keys: str) -> None:
        """Press keys; the pilot's own press takes 50 ms for each."""
        driver = self.app._driver
        assert driver
        for key in keys:
            character = NAMED.get(key, key if len(key) == 1 else None)
            driver.send_message(Key(key, character))
            await self.settle()
        self.app._tick()
        await self.settle()

    async def settle(self) -> None:
        """Let the app do all that it has to do."""
        while self.app.keyboard.is_busy:
            await self.pilot.pause(0)
        for _ in range(3):  # what is done may ask for more
            await self.pilot.pause(0)

    async def press_at_once(self, *keys: str) -> None:
        """Press keys that come in one read."""
        for key in keys:
            self.app.post_message(Key(key, NAMED.get(key, key if len(key) == 1 else None)))
        await self.pilot.pause(0)
        await self.press()

    async def resize(self, columns: int, lines: int) -> None:
        """Change the terminal's size; textual takes its time to tell the widgets."""
        await self.pilot.resize_terminal(columns, lines)
        while self.app.screen.size != (columns, lines):
            await self.pilot.pause(0.01)
        await self.press()

    async def type(self, text: str) -> None:
        """Type into the prompt, at once: a key takes 30 ms here."""
        self.app.prompt._input.insert_text_at_cursor(text)
        await self.press()

    async def write(self, *batches: Batch) -> None:
        """Let rows come."""
        for batch in batches:
            self.model.write(batch)
            self.app._stats.shown += batch.records
        self.app._tick()
        await self.settle()

    @property
    def lines(self) -> list[str]:
        """What is on the screen, without blanks at the ends."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join([segment.text for segment in strip]).rstrip() for strip in strips]

    def line(self, text: str) -> str:
        """The first line with that text."""
        found = next((line for line in self.lines if text in line), None)
        assert found is not None, "\n".join([text, *self.lines])
        return found

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def model_of(
    *schemas: Schema, options: RowOptions = DEFAULT, most: int = 1000
) -> tuple[Model, list[Decoder]]:
    """A model that is open for maps of these schemas."""
    model = Model(options, most)
    decoders = [Decoder(schema) for schema in schemas]
    model.open(decoders)
    return model, decoders


def use(
    model: Model,
    steps: Callable[[Pressed], Awaitable[None]],
    *,
    batches: Sequence[Batch] = (),
    size: tuple[int, int] = (80, 24),
    about: About = ABOUT,
    stats: RunStats | None = None,
    recording: Recording | None = None,
) -> ScreenApp:
    """Show a model, after these batches, and take the steps; return the app after its end."""
    app = ScreenApp(model, about, stats or RunStats(list(model.maps)), recording)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            pressed = Pressed(app, pilot, model)
            await pressed.write(*batches)
            await steps(pressed)

    asyncio.run(run())
    return app
