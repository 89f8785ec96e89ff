"""The command ``beepy ps``."""

import json

import pytest

from beepy.hooks import Target, attach
from beepy.kernel import program
from beepy.uapi import ProgType
from tests.support import ordinary, programs
from tests.support.command import Beepy

pytestmark = pytest.mark.kernel

BRIEF = ("--interval", "10ms")


def test_a_run_is_listed_with_its_image(beepy: Beepy) -> None:
    with beepy.start("run", "exitsnoop", "-o", "none", "-v") as running:
        running.until_attached()
        text, rows = beepy("ps", *BRIEF), beepy("ps", "-o", "json", *BRIEF)
        pid = running.process.pid
    assert (text.code, rows.code) == (0, 0)
    header, *lines = text.out.splitlines()
    assert header.split() == [
        *("ID", "NAME", "TYPE", "IMAGE", "PIDS", "RUNS/S", "TIME/RUN", "CPU", "ATTACHED")
    ]
    (line,) = [line for line in lines if f" {pid} " in line]
    assert " exitsnoop " in line
    assert line.endswith(" tracepoint sched_process_exit")
    found = json.loads(rows.out)
    assert set(found) == {"seconds", "programs", "maps", "links", "unreadable"}
    (shown,) = [one for one in found["programs"] if one["pids"] == [pid]]
    assert (shown["image"], shown["attached"]) == ("exitsnoop", ["tracepoint sched_process_exit"])
    (ring,) = [one for one in found["maps"] if one["name"] == "print_exits" if pid in one["pids"]]
    assert ring["bytes"] >= ring["max_entries"]
    assert ring["programs"] == [shown["id"]]
    assert [one["program"] for one in found["links"] if one["pids"] == [pid]] == [shown["id"]]


def test_wide_tables_have_maps_and_links(beepy: Beepy) -> None:
    code = programs.returns(0)
    with (
        program.load("a_name", "tracepoint", ProgType.TRACEPOINT, code, "GPL") as ours,
        attach(ours, Target("sched/sched_process_exit")),
    ):
        wide, narrow = beepy("ps", "-o", "wide", *BRIEF), beepy("ps", *BRIEF)
        number = ours.id()
    headers = [line.split()[:2] for line in wide.out.splitlines() if line.split()[:1] == ["ID"]]
    assert ["ID", "NAME"] in headers
    assert ["ID", "LINK"] in headers
    (line, link) = [line for line in wide.out.splitlines() if str(number) in line.split()]
    assert "a_name" in line
    assert link.split()[1:3] == ["perf_event", str(number)]
    (note,) = [line for line in narrow.said if "map" in line]
    assert note.startswith("note: ")
    assert note.endswith(": beepy ps -o wide shows them")


def test_without_the_capability(beepy: Beepy) -> None:
    user = beepy._replace(prefix=ordinary.prefix(["CAP_BPF", "CAP_PERFMON"]))
    done = user("ps")
    assert (done.code, done.out) == (1, "")
    error, note = done.said
    assert error == (
        "beepy: run-time statistics: operation not permitted (EPERM): needs CAP_SYS_ADMIN"
    )
    assert note.startswith("note: run it as root: sudo ")
    assert note.endswith(" -m beepy ps")


def test_an_interval_is_a_time(beepy: Beepy) -> None:
    done = beepy("ps", "--interval", "0")
    assert done.code == 2
    assert done.err.startswith("beepy: --interval '0': expected a duration above 0")
