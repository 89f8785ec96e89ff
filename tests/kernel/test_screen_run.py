"""The screen in tmux, of real images: what it shows is what came."""

import os
import re
from pathlib import Path

import pytest

from tests.support import exits
from tests.support.command import BEEPY
from tests.support.exits import Exit
from tests.support.tmux import Tmux

pytestmark = pytest.mark.kernel

RUN = (*BEEPY, "run", "exitsnoop", "--no-metrics")
NAME = f"ends-{os.getpid()}"  # no other test has such processes
COLORS = re.compile(r"\x1b\[[0-9;]*\b(3[0-7]|4[0-7]|9[0-7]|10[0-7]|38|48)[0-9;]*m")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_every_event_is_shown_and_counted(tmp_path: Path, size: tuple[int, int]) -> None:
    where = ["--where", f'comm == "{NAME}"']
    with Tmux(tmp_path, [*RUN, *where], size=size, to="2>errors") as tmux:
        tmux.until(lambda lines: "quit" in lines[size[1] - 1])
        ended = [one for _ in range(5) for one in exits.fork([Exit(NAME.encode(), 3)] * 60)]
        lines = tmux.until(lambda lines: "print_exits  300 rows" in lines[1])
        body = lines[3 : size[1] - 1]
        assert [line.split()[-1].strip("│█") or line.split()[-2] for line in body] == [NAME] * (
            size[1] - 4
        )
        last = [str(one.pid) for one in ended[-(size[1] - 4) :]]
        assert all(pid in line.split() for pid, line in zip(last, body, strict=True))
        tmux.press("q")
        assert tmux.until_ended() == 0
        summary = (tmp_path / "errors").read_text().splitlines()[-1]
        assert summary.startswith("beepy: 300 shown, ")


def test_hostile_names_and_a_resize(tmp_path: Path) -> None:
    with Tmux(tmp_path, [*RUN, "--where", "exit_code == 3"]) as tmux:
        tmux.until(
            lambda lines: any("\\x1b]0;title\\x07" in line for line in lines),
            lambda: exits.fork([Exit(name, 3) for name in exits.NAMES[-20:]]),
        )
        tmux.press("Space")
        for size in ((40, 12), (132, 43), (80, 24)):
            tmux.resize(*size)
            at = size[1] - 1
            tmux.until(lambda lines, at=at: "Space" in lines[at])  # type: ignore[misc]
        tmux.until(lambda lines: "paused" in lines[1])


def test_keys_of_one_read_act_one_after_the_other(tmp_path: Path) -> None:
    with Tmux(tmp_path, [*RUN, "--where", "exit_code == 3"]) as tmux:
        tmux.until(
            lambda lines: "quit" in lines[23] and "rows" in lines[1],
            lambda: exits.fork([Exit(NAME.encode(), 3)]),
        )
        tmux.press("f", *"pid>0", "Enter", "Space", "/", *"ends", "Enter", "s")
        tmux.until(lambda lines: "filter: pid>0  /ends  sorted by comm▼  paused" in lines[1])
        tmux.press("t", "Down", "Enter", "q")
        assert tmux.until_ended() == 0


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}], ids=["16 colors", "NO_COLOR"])
def test_colors(tmp_path: Path, variables: dict[str, str]) -> None:
    with Tmux(tmp_path, RUN, variables=variables) as tmux:
        tmux.until(lambda lines: "quit" in lines[23])
        tmux.press("?")
        tmux.until(lambda lines: any("Esc closes" in line for line in lines))
        colors = COLORS.findall(tmux.styled)
        assert not {"38", "48"} & set(colors)
        assert bool(colors) is not bool(variables)


def test_a_recording_is_made_and_browsed(tmp_path: Path) -> None:
    with Tmux(tmp_path, [*RUN, "--where", f'comm == "{NAME}"']) as tmux:
        tmux.until(lambda lines: "quit" in lines[23])
        tmux.press("r", "Enter")
        tmux.until(lambda lines: "REC" in lines[0])
        exits.fork([Exit(NAME.encode(), 3)] * 7)
        tmux.until(lambda lines: "7 rows" in lines[1])
        tmux.press("q")
        assert tmux.until_ended() == 0
        lines = tmux.history
        end = lines.index("7 rows recorded: beepy replay exitsnoop.rec")
        assert lines[end + 1].startswith("beepy: 7 shown, ")
    with Tmux(tmp_path, [*BEEPY, "replay", "exitsnoop.rec"]) as tmux:
        tmux.until(lambda lines: "print_exits  7 rows" in lines[2])
        assert re.match(r"..:..:.. .*█.* ..:..:..$", tmux.lines[1])  # when they came
        tmux.press("q")
        assert tmux.until_ended() == 0
