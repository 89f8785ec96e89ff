"""Draw the pictures of docs/screen.md, as root: ``python -m tests.support.pictures``.

Each is the screen of a real run, without a terminal, after some keys.
"""

import asyncio
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from beepy.chosen import Chosen
from beepy.cli.screen import _images
from beepy.launch import Launched, launch, replay
from beepy.outputs import DEFAULT
from beepy.recording.recorder import Recorder
from beepy.request import RunRequest
from beepy.session import Run
from beepy.text import safe
from beepy.tui.about import About
from beepy.tui.app import ScreenApp
from beepy.tui.model import Model
from beepy.tui.recording import Recording
from beepy.tui.timeline import Timeline
from tests.support import exits
from tests.support.command import ROOT
from tests.support.exits import Exit

DIRECTORY: Final = ROOT / "docs" / "screen"
SIZE: Final = (100, 24)
CELL: Final = 12.2  # units of a character
SECONDS: Final = 8
LS: Final = 'comm == "ls"'
OURS: Final = 'comm in ("make", "cc1", "ld", "worker-1")'


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, work():
        draw("rows", launched("opensnoop", where=LS), options=f" --where '{LS}'")
        typed = ("f", *'pid > 1000 and comm == "')
        draw("filter", launched("exitsnoop", where=OURS), *typed, options=f" --where '{OURS}'")
        draw("histogram", launched("runqlat"))
        draw("table", launched("xdpcount", iface="lo"), options=" --iface lo")
        recording = Path(name) / "morning.rec"
        record(launched("exitsnoop", "runqlat", where=f"print_exits: {OURS}"), recording)
        started = replay(str(recording), Chosen())
        draw("replay", started, *["left_square_bracket"] * 6, recording=recording.name)


@contextmanager
def work() -> Iterator[None]:
    """Let things happen: processes end, files are opened, packets are received."""
    stopped = threading.Event()

    def do() -> None:
        names = (b"make", b"cc1", b"ld", b"worker-1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
            while not stopped.is_set():
                started = int(time.monotonic())
                exits.fork([Exit(name, 3 * (name == b"worker-1")) for name in names])
                subprocess.run(
                    ["ls", "/etc/passwd", "/none"],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
                for _ in range(30 * (started % 3)):
                    packets.sendto(bytes(100), ("127.0.0.1", 9))

    thread = threading.Thread(target=do)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def launched(*images: str, iface: str = "", where: str = "") -> Launched:
    from beepy.hooks import Target

    return launch(
        RunRequest(
            images,
            common=Target(iface=iface),
            cost=True,
            hides_zeros=True,
            wheres=[where] if where else [],
        )
    )


def record(started: Launched, path: Path) -> None:
    with started.run as run:
        run.add_observer(Recorder(str(path), {}))
        threading.Timer(SECONDS, run.stop).start()
        for _ in run.batches():
            pass


def draw(name: str, started: Launched, *keys: str, recording: str = "", options: str = "") -> None:
    timeline = Timeline() if recording else None
    model = Model(DEFAULT, 10_000, timeline)
    with started.run as run:
        run.attach()
        run.add_sink(model)
        worker = threading.Thread(target=iterate, args=(run,))
        worker.start()
        about = About(tuple(_images(started.images)), safe(recording))
        recorder = None if recording else Recording({})
        app = ScreenApp(model, about, run.stats, recorder)
        words = ["replay", recording] if recording else ["run", *[i.name for i in started.images]]
        if recording:
            worker.join()
            app.ended()
        app.title = f"{' '.join(['beepy', *words])}{options}"
        (DIRECTORY / f"{name}.svg").write_text(plain(asyncio.run(press(app, keys))))
        run.stop()
        worker.join()


def iterate(run: Run) -> None:
    for _ in run.batches():
        pass


async def press(app: ScreenApp, keys: Sequence[str]) -> str:
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(SECONDS)
        for key in keys:
            await pilot.press({" ": "space"}.get(key, key))
        await pilot.pause(0.5)
        return app.export_screenshot(simplify=True)


def plain(svg: str) -> str:
    """Return a picture that asks nothing of the network, with blanks that all programs draw."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<text[^>]*>\n</text>\s*", "", svg).replace("Fira Code, monospace", "monospace")
    return re.sub(
        r'x="([\d.]+)"( y="[\d.]+") textLength="([\d.]+)"([^>]*>)((?:&#160;)+)', _moved, svg
    )


def _moved(match: "re.Match[str]") -> str:
    blanks = match[5].count(";") * CELL
    x, length = float(match[1]) + blanks, float(match[3]) - blanks
    return f'x="{x:g}"{match[2]} textLength="{length:g}"{match[4]}'


if __name__ == "__main__":
    main()
