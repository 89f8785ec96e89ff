"""``--summary``: a run in 2 kB, and the recording of the same run."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import exits
from tests.support.command import Beepy
from tests.support.exits import Exit

pytestmark = pytest.mark.kernel


@pytest.mark.usefixtures("same_pids")
def test_a_run_and_its_recording(beepy: Beepy, tmp_path: Path) -> None:
    recording = str(tmp_path / "exits.rec")
    options = ("-f", "comm,^sleep$", "--count", "3", "--timeout", "60")
    with beepy.start(
        "-v", "run", "exitsnoop", *options, "--summary", "--cost", "--record", recording
    ) as running:
        running.until_attached()
        for _ in range(3):
            subprocess.run(["sleep", "0"], check=True)
        done = running.wait()
    assert done.code == 0, done.err
    (line,) = done.out.splitlines()
    document = json.loads(line)
    assert (document["images"], document["shown"], document["lost"]) == (["exitsnoop"], 3, 0)
    exits = document["maps"]["print_exits"]
    assert exits["rows"] == 3
    assert exits["fields"]["comm"] == {"values": 1, "top": [["sleep", 3]]}
    assert exits["fields"]["exit_code"]["sum"] == 0
    assert document["cost"].keys() == {"programs", "beepy"}
    assert "3 shown" in done.said[-1]
    again = beepy("replay", recording, "--summary")
    replayed = json.loads(again.out)
    assert replayed["maps"]["print_exits"]["fields"] == exits["fields"]


def test_a_row_may_end_it(beepy: Beepy) -> None:
    with beepy.start("run", "exitsnoop", "--summary", "--until", 'comm == "last"') as running:
        while running.process.poll() is None:
            exits.fork([Exit(b"last", 3)])
        done = running.end()
    assert done.code == 0
    assert json.loads(done.out)["maps"]["print_exits"]["fields"]["exit_code"]["max"] >= 3


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "expected --count, --timeout or --until: it comes at the end"),
        (["--count", "1", "-o", "json"], "not with -o: it takes the place of rows"),
        (["--count", "1", "--top", "3", "--by", "comm"], "not with --top"),
    ],
)
def test_what_does_not_go_together(beepy: Beepy, options: list[str], why: str) -> None:
    done = beepy("run", "exitsnoop", "--summary", *options)
    assert (done.code, done.out) == (2, "")
    assert f"beepy: --summary: {why}" in done.err


def test_a_closed_pipe_ends_it_quietly(beepy: Beepy) -> None:
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        assert reader.stdin
        reader.wait()
        done = beepy(
            "run", "exitsnoop", "--timeout", "0.1", "--summary", stdout=reader.stdin.fileno()
        )
    assert done.code == 0
    assert "Traceback" not in done.err
