"""Which output a run has without -o."""

import os
import sys

import pytest

from beepy.cli import screen, terminal
from beepy.errors import UsageError


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda fd: fd in (0, 1))
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("on_a_terminal")
def test_a_terminal_has_the_screen() -> None:
    assert terminal.default_output(plain=False, bounded=False) == "tui"
    assert terminal.default_output(plain=True, bounded=False) == "columns"
    assert terminal.default_output(plain=False, bounded=True) == "columns"
    screen.check()


@pytest.mark.usefixtures("on_a_terminal")
@pytest.mark.parametrize("term", ["", "dumb"])
def test_a_dumb_one_has_columns(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    assert terminal.default_output(plain=False, bounded=False) == "columns"
    with pytest.raises(UsageError, match="output 'tui': TERM is dumb or not set"):
        screen.check()


def test_pipes_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "isatty", lambda fd: fd == 1)
    assert terminal.default_output(plain=False, bounded=False) == "columns"
    with pytest.raises(UsageError, match="output 'tui': stdin and stdout are no terminal"):
        screen.check()
    monkeypatch.setattr(os, "isatty", lambda fd: fd == 0)
    assert terminal.default_output(plain=False, bounded=False) == "json"


@pytest.mark.usefixtures("on_a_terminal")
def test_without_textual_a_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "has_textual", lambda: False)
    assert terminal.default_output(plain=False, bounded=False) == "columns"
    assert (
        capsys.readouterr().err
        == f"note: -o columns; the screen needs textual: {terminal.INSTALL}\n"
    )
    with pytest.raises(UsageError, match="textual is not installed") as raised:
        screen.check()
    assert raised.value.__notes__ == [terminal.INSTALL]


def test_textual_is_looked_for_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "textual", raising=False)
    assert terminal.has_textual()
    assert "textual" not in sys.modules


@pytest.mark.parametrize(("value", "seen"), [("1", "1"), ("", None), (None, None)])
def test_an_empty_no_color_is_none(
    monkeypatch: pytest.MonkeyPatch, value: str | None, seen: str | None
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if value is not None:
        monkeypatch.setenv("NO_COLOR", value)
    with terminal.colors():
        assert os.environ.get("NO_COLOR") == seen
        os.environ.pop("NO_COLOR", None)  # as textual does
    assert os.environ.get("NO_COLOR") == value
