"""The recording of hostile names and values on the screen: each map, with the keys that show it."""

from pathlib import Path
from typing import Final

from beepy.events.decoder import Decoder
from beepy.outputs import DEFAULT
from beepy.recording.playback import Playback
from beepy.tui.about import About
from beepy.tui.model import Model
from beepy.tui.timeline import Timeline
from tests.support.command import ROOT
from tests.support.screens import Pressed, use

RECORDING: Final = ROOT / "tests" / "unit" / "outputs" / "hostile" / "hostile.rec"


def test_no_map_controls_the_terminal(tmp_path: Path) -> None:
    model = Model(DEFAULT, 1000, Timeline())
    with Playback(str(RECORDING)) as playback:
        model.open([Decoder(schema) for schema in playback.schemas])
        batches = list(playback)

    async def steps(pressed: Pressed) -> None:
        seen = 0
        for number, (schema, shown) in enumerate(model.maps.items()):
            for batch in batches:
                if batch.schema == schema:
                    model.write(batch)
            await pressed.press("end", "right", "t", "escape", "enter", "end", "escape", "c")
            assert all(line.isprintable() for line in pressed.lines), pressed.text
            assert max(map(len, pressed.lines)) <= 100, pressed.text
            await pressed.press("escape", "f")
            await pressed.press("tab", "tab", "tab", "escape", "y", "w")
            if pressed.app.prompt.kind:
                await pressed.press("ctrl+u")
                await pressed.type(str(tmp_path / f"{number}.jsonl"))
                await pressed.press("enter")
                seen += bool(shown.total)
            assert all(line.isprintable() for line in pressed.lines), pressed.text
            await pressed.press("tab")
        assert seen >= 3

    app = use(model, steps, size=(100, 30), about=About(recording="hostile.rec"))
    assert app.failure is None
    assert len(list(tmp_path.iterdir())) >= 3
