"""The catalogue on a real terminal: from ``beepy`` alone to rows, by keys; and how it ends."""

import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import exits, ordinary
from tests.support.command import BEEPY, Beepy, environment
from tests.support.exits import Exit
from tests.support.keyed import Keyed

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]
QUESTION = "Enter shows the images again, q quits"
RESTORED = (False, True, False)
COLOR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9\d|10\d)(?:;\d+)*m")


def catalogue(beepy: Beepy, directory: Path, variables: Mapping[str, str] | None = None) -> Keyed:
    command = [*beepy.prefix, *BEEPY]
    return Keyed(directory, command, environment(beepy.home, variables))


def fail() -> None:
    """Create processes that end with another code than 0."""
    exits.fork([Exit(b"failing", 3)])


def test_from_the_list_to_rows_with_a_variable_set(beepy: Beepy, tmp_path: Path) -> None:
    with catalogue(beepy, tmp_path) as terminal:
        assert "exitsnoop  bundled" in terminal.until("16 of 16 images", "print_exits: rows of")
        assert terminal.modes()[0]
        terminal.press("exits")
        terminal.until("4 of 16 images")
        terminal.press("Enter")
        terminal.until("trace_failed_only [ ] false", "$ beepy run exitsnoop")
        terminal.press("Space")
        terminal.until("$ beepy run exitsnoop --set trace_failed_only=true")
        terminal.press("Enter")
        terminal.until(" failing", meanwhile=fail)
        terminal.press("C-c")
        terminal.until(" shown, ", QUESTION)
        assert terminal.modes() == RESTORED
        terminal.press("q")
        terminal.until("code=0")
        assert QUESTION not in terminal.screen()
        everything = terminal.screen("-S", "-1000")
        assert "$ beepy run exitsnoop --set trace_failed_only=true\n" in everything


def test_from_one_run_to_the_next(beepy: Beepy, tmp_path: Path) -> None:
    with catalogue(beepy, tmp_path) as terminal:
        terminal.until("16 of 16 images", "print_exits: rows of")
        terminal.press("Enter")
        terminal.until("$ beepy run exitsnoop")
        terminal.press("Space", "Enter")
        terminal.until(" failing", meanwhile=fail)
        terminal.press("q")
        terminal.until(" shown, ", QUESTION)
        terminal.press("Enter")
        terminal.until("16 of 16 images", "print_exits: rows of")
        terminal.press("Enter")
        terminal.until("trace_failed_only [x] true")  # as it was left
        terminal.press("Space", "Enter")
        terminal.until("q quit", "print_exits")  # with the privileges that the first has given up
        terminal.signal(signal.SIGTERM)
        terminal.until("code=0", " shown, ")
        assert terminal.modes() == RESTORED
        everything = terminal.screen("-S", "-1000")
        assert everything.count(" shown, ") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal(
    beepy: Beepy, tmp_path: Path, number: signal.Signals
) -> None:
    with catalogue(beepy, tmp_path) as terminal:
        terminal.until("16 of 16 images")
        terminal.signal(number)
        assert terminal.until("code=130").split() == ["code=130"]
        assert terminal.modes() == RESTORED


def test_no_color_and_quit(beepy: Beepy, tmp_path: Path) -> None:
    with catalogue(beepy, tmp_path, {"NO_COLOR": "1"}) as terminal:
        terminal.until("16 of 16 images", "print_exits")
        raw = terminal.screen("-e")
        assert not COLOR.search(raw)
        assert re.search(r"\x1b\[[0-9;]*7m[^\n]*exitsnoop ", raw)  # the cursor is seen
        terminal.press("q")
        assert terminal.until("code=0").split() == ["code=0"]
        assert terminal.modes() == RESTORED


def test_a_terminal_that_cannot_be_drawn_on_gets_the_help(beepy: Beepy, tmp_path: Path) -> None:
    with catalogue(beepy, tmp_path, {"TERM": "dumb"}) as terminal:
        assert "bundled" not in terminal.until("code=0", "Examples:")


def test_an_ordinary_user_is_told_the_command_for_root(beepy: Beepy, tmp_path: Path) -> None:
    beepy = beepy._replace(prefix=ordinary.prefix(()), home=Path("/nonexistent"))
    with catalogue(beepy, tmp_path) as terminal:
        terminal.until("16 of 16 images")
        terminal.press("Enter")
        terminal.until("$ sudo beepy run exitsnoop")
        terminal.press("Space", "Down", "Down", "7", "Enter")  # together, as over a slow line
        terminal.until(QUESTION)
        terminal.press("q")
        shown = "".join(terminal.until("code=1").splitlines())
        assert "run it as root: sudo " in shown
        assert "beepy run exitsnoop --set trace_failed_only=true --set target_pid=7" in shown
