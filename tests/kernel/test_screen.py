"""The bundled images on terminals of two sizes: no row wraps, and the header is there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import exits
from tests.support.command import Beepy
from tests.support.exits import Exit
from tests.support.screen import Screen, Terminal

pytestmark = [pytest.mark.kernel, pytest.mark.parametrize("size", [(80, 24), (200, 50)])]


def shown(
    beepy: Beepy, size: tuple[int, int], enough: Callable[[Screen], bool], *images: str
) -> Screen:
    """Run images on a terminal until it has shown enough; create processes and open files."""
    beepy = beepy._replace(variables={"TERM": "xterm"})
    with (
        Terminal(*size) as terminal,
        beepy.start("run", *images, "--no-metrics", stdout=terminal.fd) as running,
    ):
        while not enough(terminal.screen()):
            assert running.process.poll() is None, running.err
            exits.fork([Exit(name, 3) for name in exits.NAMES])
            Path("/etc/hostname").read_bytes()
        assert running.end().code == 0
        return terminal.screen()


@pytest.mark.parametrize("images", [("exitsnoop",), ("opensnoop",), ("exitsnoop", "opensnoop")])
def test_rows(beepy: Beepy, size: tuple[int, int], images: tuple[str, ...]) -> None:
    screen = shown(beepy, size, lambda screen: len(screen.all_lines) > 150, *images)
    assert screen.wrapped == 0
    heads = [line for line in screen.lines if " pid " in line and " comm" in line]
    assert len(heads) >= len(images)


def test_histograms(beepy: Beepy, size: tuple[int, int]) -> None:
    screen = shown(
        beepy, size, lambda screen: any("|***" in line for line in screen.lines), "runqlat"
    )
    assert screen.wrapped == 0
    title, head, first, *_ = screen.all_lines
    assert " hist_runqlat: " in title
    assert head.split() == ["usecs", ":", "count", "distribution"]
    assert first.split()[:3] == ["0", "->", "1"]
    assert sum("distribution" in line for line in screen.all_lines) == 1  # it was redrawn in place


def test_tables(beepy: Beepy, size: tuple[int, int]) -> None:
    screen = shown(beepy, size, lambda screen: bool(screen.lines), "activeconn")
    assert screen.wrapped == 0
    assert " gauge_connections: " in screen.all_lines[0]
