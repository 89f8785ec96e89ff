"""A run that is recorded, and what its recording shows."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import beepy as api
from tests.kernel.test_run import on_a_terminal
from tests.soak import times
from tests.support.command import Beepy
from tests.support.processes import processes

pytestmark = pytest.mark.kernel

TIMES = re.compile(r" \d+:\d+:\d+\.\d{3} \d+:\d+:\d+\.\d{3}\b")


def lines(text: str) -> list[object]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("image", ["exitsnoop", "opensnoop", "runqlat", "exitsnoop-counter"])
def test_a_recording_shows_what_the_run_showed(beepy: Beepy, image: str, tmp_path: Path) -> None:
    path = str(tmp_path / "x.rec")
    options = ["-o", "json", "--no-metrics", "--timeout", "1s"]
    with processes():
        shown = beepy("run", image, "--record", path, *options)
    assert shown.code == 0
    assert shown.out
    replayed = beepy("replay", path, "-o", "json", "--no-metrics")
    assert replayed.code == 0
    assert lines(replayed.out) == lines(shown.out)
    with api.replay(path) as run:
        assert sum(len(rows) for rows in run) == len(lines(shown.out))


def test_a_replay_has_the_times_of_the_run(beepy: Beepy, tmp_path: Path) -> None:
    path = str(tmp_path / "x.rec")
    options = ("-o", "columns", "--fields", "pid,start_time,exit_time")
    with processes():
        ran = on_a_terminal(
            beepy, "run", "exitsnoop", "--record", path, *options, "--timeout", "3s"
        )
    replayed = on_a_terminal(beepy, "replay", path, *options)
    shown, again = (
        [line.split()[1:] for line in text.splitlines() if TIMES.search(line)]
        for text in (ran, replayed)
    )
    assert len(shown) > 3
    assert again == shown


def test_filters_hold_for_the_recording_and_for_its_replay(beepy: Beepy, tmp_path: Path) -> None:
    path = str(tmp_path / "x.rec")
    command = [sys.executable, "-m", "beepy", "run", "exitsnoop", "--record", path]
    command += ["-o", "json", "--where", 'comm == "true"', "--count", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr
        process.stderr.readline()  # it is attached
        for _ in range(5):
            subprocess.run(["/bin/true"], check=True)
            subprocess.run(["/bin/ls", "/"], check=True, stdout=subprocess.DEVNULL)
        process.communicate()
    assert [row["comm"] for row in lines(beepy("replay", path, "-o", "json").out)] == ["true"] * 3  # type: ignore[index]
    only = beepy("replay", path, "-o", "json", "-f", "comm,^nothing$")
    assert only.out == ""
    assert "3 filtered" in only.err


def test_fields_and_groups_of_a_recording(beepy: Beepy, tmp_path: Path) -> None:
    """Groups are those that ``sort | uniq -c | sort -rn`` counts in the JSON of the recording."""
    path = str(tmp_path / "x.rec")
    bounds = ("--timeout", "2s", "--count", "5000")  # --top has 10,000 groups at most
    with processes():
        assert beepy("run", "opensnoop", "--record", path, "-o", "none", *bounds).code == 0
    chosen = beepy("replay", path, "-o", "json", "--fields", "fname,comm").out
    assert all(list(row) == ["map", "time", "fname", "comm"] for row in lines(chosen))  # type: ignore[call-overload]
    counted = subprocess.run(
        "sed 's/.*Z\", //' | sort | uniq -c | sort -rn",
        shell=True,
        input=chosen.encode(),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    top = beepy("replay", path, "-o", "json", "--top", "10000", "--by", "fname,comm")
    assert top.code == 0
    rows = [json.loads(line) for line in top.out.splitlines()]
    expected = {}
    for line in counted.splitlines():
        number, _, text = line.strip().partition(" ")
        row = json.loads("{" + text)
        expected[row["fname"], row["comm"]] = int(number)
    assert expected
    assert {(row["fname"], row["comm"]): row["count"] for row in rows} == expected
    assert [row["count"] for row in rows] == sorted(expected.values(), reverse=True)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--top", "3"], "--top, --by: expected both: --top 10 --by comm"),
        (["--every", "3s"], "--top, --by: expected both: --top 10 --by comm"),
        (["--top", "3", "--by", "comm", "--fields", "pid"], "--fields: --top shows the fields"),
        (["--top", "3", "--by", "com"], "by 'com': no field 'com' in print_exits: did you mean"),
        (["--fields", "com"], "fields 'com': no field 'com' in print_exits: did you mean comm?"),
        (["--sort", "x"], "sort 'x': no field 'x' in print_exits: its fields are"),
        (["--limit", "0"], "--limit '0': expected a whole number from 1 on"),
        (
            ["--labels", "print_exits=comm"],
            "map 'print_exits' has no metric of which labels are chosen",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(beepy: Beepy, options: list[str], error: str) -> None:
    recording = Path(__file__).parents[1] / "unit" / "recording" / "version1.rec"
    done = beepy("replay", str(recording), *options)
    assert (done.code, done.out) == (2, "")
    assert error in done.err


def test_a_file_that_exists_ends_the_run_before_it_shows(beepy: Beepy, tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    path.touch()
    done = beepy("run", "exitsnoop", "--record", str(path), "--timeout", "1s")
    assert done.code == 1
    assert f"{path}: file exists (EEXIST)" in done.err


@pytest.mark.soak
def test_a_killed_run_is_replayed_up_to_its_last_block(beepy: Beepy, tmp_path: Path) -> None:
    for number in range(times(2)):
        path = tmp_path / f"{number}.rec"
        command = [sys.executable, "-m", "beepy", "run", "opensnoop", "--record", str(path)]
        with subprocess.Popen([*command, "-o", "none"], stderr=subprocess.PIPE) as process:
            assert process.stderr
            process.stderr.readline()
            deadline = time.monotonic() + 1.5 + number % 10 / 10
            while time.monotonic() < deadline:
                subprocess.run(["/bin/true"], check=True)
            process.send_signal(signal.SIGKILL)
        done = beepy("replay", str(path), "-o", "json")
        assert done.code == 0
        assert lines(done.out)
        assert "it has no end" in done.err
