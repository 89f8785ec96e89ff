"""``beepy init``: what is given, what is asked on a terminal, and what is written."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.support.command import BEEPY, Beepy, environment
from tests.support.listed import listed

ALL = ("--program-type", "Network", "-m", "HashMap", "-o", "counter", "-f", "probe.c")


@pytest.fixture
def beepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beepy:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Beepy(tmp_path)


def test_everything_is_given(beepy: Beepy) -> None:
    assert beepy("init", *ALL, "-l", "C") == (0, "probe.c\n", "")
    text = Path("probe.c").read_text()
    assert "BPF_MAP_TYPE_HASH" in text
    assert "counter_connections" in text


def test_names_in_any_case(beepy: Beepy) -> None:
    """bee's help writes network and file-system."""
    words = ["--program-type=file-system", "--map=ringbuffer", "--output-type=Print", "-l=c"]
    assert beepy("init", *words, "-f=x.c") == (0, "x.c\n", "")
    assert "print_opens" in Path("x.c").read_text()


def test_how_a_name_begins_suffices(beepy: Beepy) -> None:
    words = ["--program-type=File system", "-m=ring", "-o=C"]
    assert beepy("init", *words, "-f=x.c") == (0, "x.c\n", "")
    assert "counter_opens" in Path("x.c").read_text()


def test_an_existing_file_is_kept(beepy: Beepy) -> None:
    Path("probe.c").write_text("mine")
    assert beepy("init", *ALL) == (1, "", "beepy: probe.c: file exists\n")
    assert Path("probe.c").read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--program-type", "Disk", "expected Network or FileSystem"),
        ("--map", "Array", "expected RingBuffer or HashMap"),
        ("--output-type", "hist", "expected print or counter or gauge"),
        ("--language", "Rust", "expected C"),
    ],
)
def test_other_values(beepy: Beepy, option: str, value: str, expected: str) -> None:
    done = beepy("init", option, value)
    assert (done.code, done.out) == (2, "")
    assert done.said[0] == f"beepy: {option} '{value}': {expected}"


def test_without_a_terminal_nothing_is_asked(beepy: Beepy) -> None:
    given = "--output-type gauge --file 'my probe.c'"
    command = [*BEEPY, "init", "-o", "gauge", "-f", "my probe.c"]
    done = subprocess.run(
        command,
        env=environment(beepy.home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "beepy: init: no terminal to ask on: expected --program-type, --map",
        f"note: beepy init --program-type Network --map RingBuffer {given}",
    ]
    assert listed() == []


def asked(beepy: Beepy, typed: bytes, *arguments: str) -> tuple[int, str, list[str]]:
    """Run it with a terminal as its input; return exit code, output and lines on stderr."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed)
        done = subprocess.run(
            [*BEEPY, "init", *arguments],
            env=environment(beepy.home),
            stdin=theirs,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout, done.stderr.splitlines()


def test_what_is_not_given_is_asked(beepy: Beepy) -> None:
    code, out, lines = asked(beepy, b"filesystem\n\ngauge\nmine.c\n")
    assert (code, out) == (0, "mine.c\n")
    assert lines == [
        "What does the program watch? Network, FileSystem [Network]",
        "Where does it write what it sees? RingBuffer, HashMap [RingBuffer]",
        "What does beepy make of it? print, counter, gauge [print]",
        "Which file is written? [probe.c]",
    ]
    text = Path("mine.c").read_text()
    assert "gauge_opens" in text
    assert "BPF_MAP_TYPE_RINGBUF" in text


def test_only_what_is_not_given_is_asked(beepy: Beepy) -> None:
    assert asked(beepy, b"\n", *ALL[:-2]) == (0, "probe.c\n", ["Which file is written? [probe.c]"])


def test_a_question_is_asked_again(beepy: Beepy) -> None:
    words = ["--program-type", "Network", "-o", "print", "-f", "x.c"]
    code, _, lines = asked(beepy, b"Queue\nhashmap\n", *words)
    question = "Where does it write what it sees? RingBuffer, HashMap [RingBuffer]"
    assert (code, lines) == (
        0,
        [question, "beepy: --map 'Queue': expected RingBuffer or HashMap", question],
    )


def test_another_file_is_asked_for(beepy: Beepy) -> None:
    Path("probe.c").write_text("mine")
    question = "Which file is written? [probe.c]"
    lines = [question, "beepy: probe.c: file exists", question]
    assert asked(beepy, b"\nx.c\n", *ALL[:-2]) == (0, "x.c\n", lines)
    assert Path("probe.c").read_text() == "mine"


def test_the_end_of_the_input_writes_nothing(beepy: Beepy) -> None:
    code, out, lines = asked(beepy, b"\x04", *ALL[:-2])
    assert (code, out, lines[-1]) == (2, "", "beepy: --file: no answer")
    assert listed() == []
