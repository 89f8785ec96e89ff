"""A command as a child: its exit code, signals meanwhile, and the question after its end."""

import os
import signal
import sys
from pathlib import Path

import pytest

from beepy.cli import child
from tests.support.tmux import Tmux

PROGRAM = """
import sys
from beepy.cli import child
if sys.argv[1:] == []:
    ended = child.run(["child"])
    print("ended", *ended, flush=True)
    if not ended.by_signal:
        print("more", child.asks_for_more(), flush=True)
else:
    print("child", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("statement", "code"),
    [("sys.exit(int(sys.argv[1]))", 3), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_the_exit_code_is_the_child_s(
    monkeypatch: pytest.MonkeyPatch, statement: str, code: int
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", f"import sys; {statement}"])
    before = signal.getsignal(signal.SIGTERM)
    assert child.run(["3"]) == (code, False)
    assert signal.getsignal(signal.SIGTERM) == before


def start(directory: Path) -> Tmux:
    path = directory / "program.py"
    path.write_text(PROGRAM)
    return Tmux(directory, [sys.executable, str(path)])


@pytest.mark.parametrize(
    ("keys", "more"),
    [(("x", "Up", "Enter"), True), (("q",), False), (("C-d",), False), (("C-c",), False)],
)
def test_a_key_answers(tmp_path: Path, keys: tuple[str, ...], more: bool) -> None:
    with start(tmp_path) as tmux:
        tmux.until(lambda lines: "child" in lines)
        tmux.press("C-d")
        tmux.until(lambda lines: child._QUESTION in lines)
        assert "ended 0 False" in tmux.lines
        tmux.press(*keys)
        assert tmux.until_ended() == 0
        assert f"more {more}" in tmux.lines
        assert child._QUESTION not in tmux.lines
        before, after = tmux.settings()
        assert before == after  # the terminal echoes again


def test_ctrl_c_is_the_child_s(tmp_path: Path) -> None:
    with start(tmp_path) as tmux:
        tmux.until(lambda lines: "child" in lines)
        tmux.press("C-c")
        tmux.until(lambda lines: child._QUESTION in lines)
        assert "ended 130 False" in tmux.lines
        tmux.signal(signal.SIGTERM)
        assert tmux.until_ended() == 0
        assert "more False" in tmux.lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_both(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path) as tmux:
        tmux.until(lambda lines: "child" in lines)
        tmux.signal(number)
        assert tmux.until_ended() == 0
        assert "ended 143 True" in tmux.lines


def test_a_child_that_stops_is_continued(tmp_path: Path) -> None:
    with start(tmp_path) as tmux:
        tmux.until(lambda lines: "child" in lines)
        program = Path(f"/proc/{tmux.child}/task/{tmux.child}/children")
        (number,) = map(int, program.read_text().split())

        def state(pid: int) -> str:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]

        os.kill(number, signal.SIGSTOP)
        tmux.until(lambda _: state(tmux.child) == state(number) == "T")
        tmux.signal(signal.SIGCONT)
        tmux.press("C-d")
        tmux.until(lambda lines: "ended 0 False" in lines)
        tmux.press("q")
        assert tmux.until_ended() == 0
