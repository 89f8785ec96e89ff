"""Files that ask for much by few bytes, or that no recorder writes, end in one error."""

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from beepy.errors import RecordingError
from beepy.recording import blocks, items
from beepy.recording import playback as playback_module
from beepy.recording.items import Kind
from beepy.recording.playback import Playback
from tests.support.events import snapshot
from tests.unit.recording.test_recording import TABLE, batches, record, replayed


class BlockAppender(blocks.BlockWriter):
    """Writes blocks at the end of a recording."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(io.BytesIO())
        self._file = file


def rewritten(path: Path, kind: Kind, change: Callable[[bytes], bytes]) -> None:
    """Record, and change the bodies of the items of one kind."""
    record(path, batches())
    with path.open("rb") as file:
        groups = list(blocks.read(file, "x"))
    with path.open("wb") as file:
        writer = blocks.BlockWriter(file)
        for group in groups:
            writer.write([blocks.packed(k, change(b) if k == kind else b) for k, b in group])


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("cpus", 10**9, "1000000000 CPUs, at most"),
        ("cpus", -1, "-1 CPUs, at most"),
        ("key_size", float("inf"), "cannot convert float infinity"),
        ("presentation", {"columns": 1}, "malformed schema"),
        ("presentation", {"columns": []}, "malformed schema"),
    ],
)
def test_a_schema_of_no_machine_is_refused(
    tmp_path: Path, name: str, value: object, why: str
) -> None:
    def change(body: bytes) -> bytes:
        schema = json.loads(body)
        schema["fields"][name] = value
        return json.dumps(schema).encode()

    rewritten(tmp_path / "x.rec", Kind.SCHEMA, change)
    with pytest.raises(RecordingError, match=why):
        replayed(tmp_path / "x.rec")


def test_records_that_have_no_room_are_refused(tmp_path: Path) -> None:
    """Or 100 bytes would be four thousand million rows."""

    def change(body: bytes) -> bytes:
        number, *_ = struct.unpack_from("<I", body)
        head = struct.pack("<IqIIqIBB", number, 0, 2**32 - 1, 0, 0, 0, 0, 2)
        return head + bytes(2 * struct.calcsize("<III"))

    rewritten(tmp_path / "x.rec", Kind.BATCH, change)
    with pytest.raises(RecordingError, match="its records have no room"):
        replayed(tmp_path / "x.rec")


def test_very_many_items_in_a_block_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    record(path, [])
    with path.open("ab") as file:
        BlockAppender(file).write([blocks.packed(99, b"") * (1 << 20)])
    with pytest.raises(RecordingError, match="block 2: more than 262144 items"):
        replayed(path)


def test_a_table_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.rec"
    endless = snapshot(TABLE, [(b"\1\0\0\0", bytes(8))])
    record(path, [endless] * 100)
    assert len(replayed(path)) == 100
    monkeypatch.setattr(playback_module, "_MAX_TABLES", 10_000)
    with pytest.raises(RecordingError, match="tables of more than 10000 bytes"):
        replayed(path)
    record(tmp_path / "y.rec", [endless._replace(snapshot=number) for number in range(100)])
    assert len(replayed(tmp_path / "y.rec")) == 100


def test_a_replay_without_batches_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    record(path, [])
    with path.open("ab") as file:
        BlockAppender(file).write([items.document(Kind.NAMES, {"user": [[0, "root"]]})] * 1000)
    with Playback(str(path)) as playback:
        assert next(iter(playback), None) is None
        assert playback.schemas[0].machine.user(0) == "root"
    with Playback(str(path)) as playback:
        playback.stop()
        assert next(iter(playback), None) is None
        assert not playback.schemas[0].machine.user(0)
