"""Traces: each record is a pair of events, whatever its texts hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from beepy.outputs import perfetto
from tests.support.events import Exits, ring
from tests.unit.outputs.test_folded import written

EXITS = Exits().schema


def events(data: bytes) -> list[dict[str, Any]]:
    assert data.isascii()
    loaded: list[dict[str, Any]] = json.loads(data)
    return loaded


def test_a_record_is_a_pair_of_events(tmp_path: Path) -> None:
    record = Exits.record(b"bash", 42, -1, start_time=1_234_567)
    named, begin, end = events(written(tmp_path / "x", [ring(EXITS, [record])], "perfetto"))
    assert named == {"ph": "M", "name": "process_name", "pid": 42, "args": {"name": "bash"}}
    common = {"cat": "print_exits", "name": "bash", "id": "0x1", "pid": 42, "tid": 42}
    row = {"start_time": 1234567, "exit_time": 1234572, "pid": 42, "tid": 42, "ppid": 1, "sig": 0}
    arguments = {**row, "exit_code": -1, "comm": "bash"}
    assert begin == {"ph": "b", **common, "ts": 1234.567, "args": arguments}
    assert end == {"ph": "e", **common, "ts": 1234.572}


def test_ids_are_distinct_and_names_are_said_once(tmp_path: Path) -> None:
    batches = [ring(EXITS, [Exits.record(pid=1), Exits.record(pid=2)]), ring(EXITS, [])]
    batches.append(ring(EXITS, [Exits.record(pid=1)]))
    found = events(written(tmp_path / "x", batches, "perfetto"))
    assert [event["pid"] for event in found if event["ph"] == "M"] == [1, 2]
    assert [event["id"] for event in found if event["ph"] == "b"] == ["0x1", "0x2", "0x3"]


def test_hostile_names_are_texts_in_ascii(tmp_path: Path) -> None:
    names = [b'"}]', b"\x1b[2J", b"a\nb", b"\xff", "\u202e".encode(), b"%d", b""]
    batch = ring(EXITS, [Exits.record(name, 7) for name in names])
    found = events(written(tmp_path / "x", [batch], "perfetto"))
    shown = [event["args"]["comm"] for event in found if event["ph"] == "b"]
    assert shown == ['"}]', "\x1b[2J", "a\nb", "\\xff", "\u202e", "%d", ""]
    assert found[-1]["name"] == "print_exits"  # of no name at all


def test_without_events_it_is_an_empty_array(tmp_path: Path) -> None:
    assert written(tmp_path / "x", [ring(EXITS, [])], "perfetto") == b"[]\n"


def test_names_of_processes_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perfetto, "_MAX_NAMED", 2)
    batch = ring(EXITS, [Exits.record(pid=pid) for pid in (1, 2, 3, 1)])
    found = events(written(tmp_path / "x", [batch], "perfetto"))
    assert [event["pid"] for event in found if event["ph"] == "M"] == [1, 2, 3, 1]
