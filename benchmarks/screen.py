"""The screen while 100,000 events/s come: ``python -m benchmarks.screen``.

A terminal of each size is read by another process. The run's share of a core is that of its whole
process, reading the ring and drawing; beside it stands the same run without a screen. Then the
whole command beside bee, both looked at from outside. Then the time to the first event on the
screen, beside an empty textual app and beepy's own start.
"""

import argparse
import json
import os
import pty
import resource
import subprocess
import sys
import tempfile
import termios
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from beepy.launch import launch
from beepy.outputs import DEFAULT
from beepy.outputs.none import NullSink
from beepy.request import RunRequest
from beepy.session import Run
from beepy.source import parse
from beepy.tui.about import About
from beepy.tui.showing import SCROLLBACK, Showing
from beepy.tui.terminal_file import TerminalFile
from benchmarks._drawing import drawing
from benchmarks._peers import BEEPY, MARK, ROOT, compile_c, exits, mount_tracing, tool
from benchmarks._report import limit, machine, medians, table
from benchmarks.startup import first_event
from bpf import build

RATE: Final = 100_000  # events/s
KINDS: Final = 1000
SIZES: Final = ((80, 24), (200, 50))
EMPTY_APP: Final = f"""
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static({MARK!r})
Empty(ansi_color=True).run()
"""


def child(directory: str, seconds: int, *, shown: bool) -> None:
    """Run in a terminal, and write what was measured to a file."""
    spec = parse((Path(directory) / "generator.o").read_bytes(), name="generator")
    repaints: list[float] = []
    written = [0]
    write = TerminalFile.write

    def counted(self: TerminalFile, text: str) -> int:
        if len(text) > 100:  # others are modes and the cursor
            repaints.append(time.monotonic())
            written[0] += len(text)
        return write(self, text)

    TerminalFile.write = counted  # type: ignore[method-assign]
    launched = launch(RunRequest([spec]))
    generate = launched.images[0].collections[0].programs["generate"].fd.fileno()
    program = str(Path(directory) / "producer")
    command = [program, str(generate), str(RATE), str(seconds), str(KINDS)]
    with ExitStack() as stack:
        run = stack.enter_context(launched.run)
        producer = subprocess.Popen(command, pass_fds=[generate], stdout=subprocess.PIPE, text=True)
        ending = threading.Thread(target=_stop_after, args=(run, producer))
        run.attach()
        ending.start()
        began, cpu = time.monotonic(), time.process_time()
        if shown:
            showing = Showing(DEFAULT, SCROLLBACK, None, stays=False)
            run.add_sink(showing.sink)
            showing.show(run, About())
            showing.close()
        else:
            run.add_sink(NullSink())
            for _ in run.batches():
                pass
        share = (time.process_time() - cpu) / (time.monotonic() - began)
        ending.join()
        assert producer.stdout
        sent, dropped, _ = producer.stdout.read().split()
    stats = run.stats
    result = {
        "sent": int(sent),
        "dropped": int(dropped),
        "shown": stats.shown,
        "filtered": stats.filtered,
        "lost": stats.total_lost or 0,
        "share": share,
        "repaints": len(repaints) / (repaints[-1] - repaints[0]) if len(repaints) > 1 else 0,
        "bytes": written[0] / seconds,
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    (Path(directory) / "result.json").write_text(json.dumps(result))


def _stop_after(run: Run, producer: subprocess.Popen[str]) -> None:
    producer.wait()
    run.stop()


def measured(
    directory: Path, seconds: int, size: tuple[int, int], *, shown: bool
) -> dict[str, float]:
    """Run the child in a terminal; return what it measured."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, size[::-1])
    with subprocess.Popen(
        ["cat"], stdin=controller, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ):
        os.close(controller)
        try:
            subprocess.run(
                [
                    *(sys.executable, "-m", "benchmarks.screen", "--child", str(directory)),
                    *("--seconds", str(seconds), *(["--shown"] if shown else [])),
                ],
                cwd=ROOT,
                env={**os.environ, "TERM": "xterm-256color"},
                stdin=terminal,
                stdout=terminal,
                check=True,
            )
        finally:
            os.close(terminal)
    return dict(json.loads((directory / "result.json").read_text()))


def measure_rate(directory: Path, seconds: int) -> None:
    """Measure the runs; print the table and the limits."""
    build.objects(directory, build.compiler(), ["generator"])
    compile_c("producer.c", directory / "producer", "bpf")
    results = {"no screen": measured(directory, seconds, SIZES[0], shown=False)}
    for width, height in SIZES:
        results[f"{width}x{height}"] = measured(directory, seconds, (width, height), shown=True)
    print(f"{RATE:,} events/s for {seconds} s; {machine()}")
    rows = [
        (
            name,
            f"{result['share']:.1%}",
            f"{result['repaints']:.1f}",
            f"{result['bytes'] / 1000:.0f}",
            f"{result['rss']:.0f}",
            f"{result['shown']:,.0f}",
            f"{result['lost']:,.0f}",
        )
        for name, result in results.items()
    ]
    table(("", "of a core", "repaints/s", "kB/s", "MB", "shown", "lost"), rows)
    base = results.pop("no screen")
    for name, result in results.items():
        counted = result["shown"] + result["filtered"] + result["lost"]
        produced = result["sent"] + result["dropped"]
        if counted != produced:
            raise SystemExit(f"{name}: {counted:.0f} counted of {produced:.0f} produced")
        limit(
            f"{name}: the screen's share of a core, in %",
            100 * (result["share"] - base["share"]),
            15,
        )
        limit(f"{name}: repaints/s", result["repaints"], 5.5)
        limit(f"{name}: events lost", result["lost"], 0)


def measure_commands(directory: Path, seconds: int) -> None:
    """Measure beepy's command and bee's, if it is installed; print the table and the limits."""
    path = build.objects(directory, build.compiler(), ["generator_call"])["generator_call"]
    caller = compile_c("caller.c", directory / "caller")
    lines = {
        "beepy": [*BEEPY, "run", str(path), "-o", "tui", "--no-metrics"],
        "bee": [tool("bee"), "run", str(path)],
    }
    drawn = {
        name: drawing(command, caller, RATE, seconds, SIZES[0])
        for name, command in lines.items()
        if command[0]
    }
    width, height = SIZES[0]
    print(f"\nwhole commands, {RATE:,} events/s for {seconds} s, {width}x{height}")
    rows = [
        (
            name,
            f"{one.share:.1%}",
            f"{one.bytes / 1000:.0f}",
            f"{one.rss:.0f}",
            f"{one.read / seconds:,.0f}",
            f"{one.left:,}",
            f"{one.dropped:,}",
        )
        for name, one in drawn.items()
    ]
    table(("", "of a core", "kB/s", "MB", "read/s", "still in the ring", "ring full"), rows)
    ours = drawn["beepy"]
    limit("beepy: events that are not read", ours.left + ours.dropped, 0)
    if bee := drawn.get("bee"):
        limit("beepy's share of a core, to bee's", ours.share / bee.share, 1)
        limit("beepy's memory, to bee's", ours.rss / bee.rss, 1)


def measure_start(directory: Path, rounds: int) -> None:
    """Measure the time to the first event on the screen; print the table and the limit."""
    run = [sys.executable, "-m", "beepy", "run", "exitsnoop", "--no-metrics"]
    lines = {
        "screen": [*run, "-o", "tui"],
        "json": [*run, "-o", "json"],
        "empty app": [sys.executable, "-c", EMPTY_APP],
    }
    with exits(directory, RATE // 100):
        cases = {name: partial(first_event, command) for name, command in lines.items()}
        medians(cases, 1)
        taken = medians(cases, rounds)
    print(f"\nprocess start to first event, medians of {rounds} interleaved rounds")
    table(("", "ms"), [(name, f"{seconds * 1e3:.0f}") for name, seconds in taken.items()])
    together = taken["json"] + taken["empty app"]
    limit("the screen, to an empty app and beepy's start", taken["screen"] / together, 1.3)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description="the screen at 100,000 events/s, and its start")
    parser.add_argument("--rounds", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--seconds", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--child", metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--shown", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.seconds, shown=arguments.shown)
        return
    mount_tracing()
    with tempfile.TemporaryDirectory() as name:
        measure_rate(Path(name), arguments.seconds)
        measure_commands(Path(name), arguments.seconds)
        measure_start(Path(name), arguments.rounds)


if __name__ == "__main__":
    main()
