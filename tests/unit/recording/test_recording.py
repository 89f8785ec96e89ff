"""What is recorded is what is replayed; what is damaged is refused."""

import fcntl
import os
import random
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import beepy as api
from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.errors import BeepyError, OutputError, RecordingError, UsageError
from beepy.events.batch import Batch, Part, Schema
from beepy.events.clock import LIVE, SECOND
from beepy.events.decoder import Decoder
from beepy.events.metrics import decide
from beepy.obj.measures import Measure
from beepy.obj.spec import Role
from beepy.recording import blocks, items
from beepy.recording.playback import Playback
from beepy.recording.recorder import Recorder
from beepy.session import Run
from tests.soak import times
from tests.support.events import Exits, decode, ring, snapshot, stream, table, with_role
from tests.unit.outputs.test_prometheus import opened, page


def schemas() -> tuple[Schema, Schema, Schema]:
    """A stream with an enum, a table, and a table with a value for each CPU."""
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    state = w.enum("state", {"IDLE": 0, "BUSY": 5})
    event = w.struct("event", 16, [("pid", u32, 0), ("state", state, 32), ("ts", u64, 64)])
    events = with_role(stream(w, event), Role.PRINT)._replace(counts_loss=True)
    return events, table(w, u32, u64, 4, 8), table(w, event, event, 16, 16, cpus=3, name="cpus")


EVENTS, TABLE, CPUS = schemas()


def event(pid: int, state: int = 5, at: int = 7) -> bytes:
    return struct.pack("<IIQ", pid, state, at)


def batches() -> list[Batch]:
    return [
        ring(EVENTS, [event(1), event(2, 0)])._replace(lost=3),
        ring(EVENTS, [event(3)[:8]])._replace(lost=0),
        snapshot(TABLE, [(b"\1\0\0\0", struct.pack("<Q", 9)), (b"\2\0\0\0", bytes(8))]),
        snapshot(CPUS, [(event(1), event(4) * 3)]),
        snapshot(TABLE, [(b"\1\0\0\0", struct.pack("<Q", 10))])._replace(snapshot=2),
    ]


def record(path: Path, given: Sequence[Batch], *known: Schema) -> None:
    recorder = Recorder(str(path), {"beepy": "0", "images": {"x": "sha256:0"}})
    decoders = [Decoder(schema) for schema in known or (EVENTS, TABLE, CPUS)]
    recorder.open(decoders)
    for batch in given:
        recorder.write(batch)
    recorder.close()


def replayed(path: Path) -> list[Batch]:
    with Playback(str(path)) as playback:
        return list(playback)


def test_every_kind_of_map_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    record(path, batches())
    back = replayed(path)
    assert len(back) == len(batches())
    for before, after in zip(batches(), back, strict=True):
        assert after._replace(schema=before.schema) == before
        assert decode(after.schema, after) == decode(before.schema, before)
    with Playback(str(path)) as playback:
        assert [schema.map for schema in playback.schemas] == [
            "print_exits",
            "print_table",
            "cpus",
        ]
        assert playback.about["images"] == {"x": "sha256:0"}
        assert playback.schemas[0].role is Role.PRINT
        assert playback.schemas[0].counts_loss


def test_a_run_counts_losses_and_has_the_last_state_of_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    record(path, batches())
    with Run(Playback(str(path))) as run:
        shown = [event.asdict() for event in run.events()]
        assert len(shown) == 3 + 2 + 3 + 1
        assert run.stats.shown == 9
        assert sum(lost or 0 for lost in run.stats.lost.values()) == 3
        assert dict(run.maps["print_table"]) == {1: 10}


def test_a_replay_ends_with_a_row(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    record(path, [*batches()[:2], ring(EVENTS, [event(4)])])
    with api.replay(path, until="print_exits: pid == 2") as run:
        assert [row.pid for row in run.events()] == [1, 2]
    with pytest.raises(UsageError, match=r"^until: column 1: no field 'pidd'"):
        api.replay(path, until="pidd == 2")


@pytest.mark.parametrize("given", [{"count": 0}, {"limit": -1}, {"speed": 0}])
def test_a_number_below_1_is_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    record(tmp_path / "x.rec", ())
    (name,) = given
    with pytest.raises(UsageError, match=f"^{name}: expected a number above 0, got"):
        api.replay(tmp_path / "x.rec", **given)
    with pytest.raises(TypeError, match=f"^{name}: expected a number above 0, got 'x'$"):
        api.replay(tmp_path / "x.rec", **dict.fromkeys(given, "x"))  # type: ignore[arg-type]


def test_enums_have_the_numbers_of_the_kernel_that_was_recorded(tmp_path: Path) -> None:
    w = BtfWriter()
    w.enum("state", {"IDLE": 5, "BUSY": 0, "GONE": 9})
    kernel = Btf(w.data(), name="vmlinux")
    known = EVENTS._replace(kernel=lambda: kernel)
    path = tmp_path / "x.rec"
    record(path, [ring(known, [event(1, 5), event(1, 9)])], known)
    (batch,) = replayed(path)
    assert decode(batch.schema, batch)["state"] == ["IDLE", "GONE"]


@pytest.mark.parametrize("size", [4, 8])
def test_enums_of_the_kernel_may_be_signed_and_wide(tmp_path: Path, size: int) -> None:
    def types() -> tuple[BtfWriter, int]:
        w = BtfWriter()
        add = w.enum if size == 4 else w.enum64
        return w, add("level", {"LOW": -5, "HIGH": 1 << 8 * size - 2}, size, signed=True)

    kernel_types, _ = types()
    kernel = Btf(kernel_types.data(), name="vmlinux")
    w, level = types()
    known = stream(w, w.struct("event", size, [("level", level, 0)]))
    known = known._replace(kernel=lambda: kernel)
    path = tmp_path / "x.rec"
    low, high = (value.to_bytes(size, "little", signed=True) for value in (-5, 1 << 8 * size - 2))
    record(path, [ring(known, [low, high])], known)
    (batch,) = replayed(path)
    assert decode(batch.schema, batch)["level"] == ["LOW", "HIGH"]
    again = batch.schema.kernel()
    assert again
    assert again.named("level")


def test_times_are_those_of_the_machine_that_recorded(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    record(path, [ring(EVENTS, [event(1)])])
    with Playback(str(path)) as playback:
        (batch,) = playback
        clock = playback.schemas[0].clock
        wall = clock.wall(1_000_000_000)
    assert wall is not None
    assert clock.wall(1 << 62) is None
    assert 0 < wall < time.time_ns()
    assert batch.records == 1


def test_times_are_shown_long_after_the_clocks_were_written(tmp_path: Path) -> None:
    """Those before a batch was read; the others are of no time that there was then."""
    path = tmp_path / "x.rec"
    began, later = LIVE.now(), 30 * SECOND
    batch = ring(EVENTS, [event(1)])
    record(path, [batch._replace(time_ns=began), batch._replace(time_ns=began + later)])
    now = LIVE.monotonic(began)
    with Playback(str(path)) as playback:
        clock = playback.schemas[0].clock
        shown = [clock.walls((now, now + later, now + later + SECOND)) for _ in playback]
    assert [[time is not None for time in times] for times in shown] == [
        [True, False, False],
        [True, True, False],
    ]
    assert abs((shown[1][1] or 0) - (began + later)) < SECOND // 1000


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_file_that_was_being_written_is_read_up_to_its_last_block(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.rec"
    record(path, batches())
    path.write_bytes(path.read_bytes()[:-cut])
    assert replayed(path) == []  # all of it was in the last block
    assert "it has no end" in caplog.text
    long = tmp_path / "long.rec"
    recorder = Recorder(str(long), {})
    recorder.open([Decoder(EVENTS)])
    for number in range(3):
        recorder.write(ring(EVENTS, [event(number)]))
        recorder._write()
    whole = long.stat().st_size
    recorder.close()
    long.write_bytes(long.read_bytes()[: whole + 3])
    assert [decode(batch.schema, batch)["pid"] for batch in replayed(long)] == [[0], [1], [2]]


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    path.write_text("mine")
    with pytest.raises(OutputError, match="file exists"):
        record(path, [])
    assert path.read_text() == "mine"


def full(tmp_path: Path) -> Recorder:
    """A recorder with a file that takes nothing more, whatever is buffered."""
    recorder = Recorder(str(tmp_path / "x.rec"), {})
    recorder.open([Decoder(EVENTS)])
    assert recorder._file
    sealed = os.memfd_create("full", os.MFD_ALLOW_SEALING)
    fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    os.dup2(sealed, recorder._file.fileno())
    os.close(sealed)
    return recorder


def test_a_full_disk_is_one_error(tmp_path: Path) -> None:
    """Closing the file tries to write again; what was reported is not an error twice."""
    recorder = full(tmp_path)
    file = recorder._file
    with pytest.raises(OutputError, match=r"x\.rec: operation not permitted"):
        recorder.close()
    assert file
    assert file.closed
    (tmp_path / "x.rec").unlink()
    recorder = full(tmp_path)
    recorder.write(ring(EVENTS, [event(1)]))
    with pytest.raises(OutputError, match=r"x\.rec: operation not permitted"):
        recorder._write()
    recorder.close()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a recording of beepy"),
        (b"root:x:0:0:", "not a recording of beepy"),
        (blocks.MAGIC, "cut before its first records"),
        (blocks.MAGIC + b"\xff" * 8, "block 0: 4294967295 bytes, at most"),
        (blocks.MAGIC + b"\4\0\0\0\0\0\0\0abcd", "damaged: its checksum is another"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=why):
        replayed(path)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    from zlib import crc32

    from zstandard import ZstdCompressor

    frame = ZstdCompressor().compress(bytes(200 << 20))
    path = tmp_path / "x.rec"
    path.write_bytes(blocks.MAGIC + struct.pack("<II", len(frame), crc32(frame)) + frame)
    with pytest.raises(RecordingError, match="more than 67108864 bytes"):
        replayed(path)


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file or directory"):
        Playback(str(tmp_path / "x.rec"))


@pytest.mark.soak
def test_damaged_items_are_refused_or_shown(tmp_path: Path) -> None:
    """With right checksums: whoever writes a recording can choose all of it."""
    path = tmp_path / "x.rec"
    record(path, batches())
    with path.open("rb") as file:
        groups = list(blocks.read(file, "x"))
    rng = random.Random(7)
    for _ in range(times(300)):
        with path.open("wb") as file:
            writer = blocks.BlockWriter(file)
            for group in groups:
                kept = []
                for kind, body in group:
                    mutated = bytearray(body)
                    if rng.random() < 0.3 and mutated:
                        mutated[rng.randrange(len(mutated))] = rng.randrange(256)
                    if rng.random() < 0.1:
                        del mutated[rng.randrange(len(mutated) + 1) :]
                    kept.append(blocks.packed(kind, bytes(mutated)))
                writer.write(kept)
        try:
            with Playback(str(path)) as playback, Run(playback) as run:
                for rows in run:
                    rows.column(run.decoders[0].fields[0].name) if rows.map == "x" else list(rows)
        except BeepyError:
            pass


def test_the_recording_of_an_earlier_version_is_shown() -> None:
    path = Path(__file__).parent / "version1.rec"
    with Run(Playback(str(path))) as run:
        (row,) = [event.asdict() for event in run.events()]
    assert row["comm"] == "bash"
    assert row["pid"] == 42


def _make_version1() -> None:
    """Write the committed recording; once for each version of the format."""
    schema = Exits("print_exits").schema
    record(
        Path(__file__).parent / "version1.rec", [ring(schema, [Exits.record(b"bash", 42)])], schema
    )


@pytest.mark.parametrize("records", [1, 1 << 31])
def test_rows_of_no_bytes_are_refused(records: int) -> None:
    none = ring(EVENTS, [event(1)])._replace(records=records, length=0)
    raw = items.batch_item(0, none._replace(parts=(Part(b"", 0, 0),)))
    item = blocks.Item(items.Kind.BATCH, raw[5:])
    with pytest.raises(RecordingError, match="its records have no room"):
        items.read_batch(item, {0: EVENTS}, "x")


def test_a_time_in_another_century_is_waited_for_until_it_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    record(path, [ring(EVENTS, [event(1)])._replace(time_ns=at) for at in (1, (1 << 63) - 1)])
    with Playback(str(path), 0.001) as playback:
        timer = threading.Timer(0.05, playback.stop)
        timer.start()
        assert len(list(playback)) == 1
        timer.join()


def counted(path: Path, **fields: Any) -> Schema:  # noqa: ANN401 - of any kind
    """The table of a gadget as a recording has it; ``fields`` take the place of what it was."""
    measure = Measure("seen_total", Role.COUNTER, "value", "how many", (("key", "who"),), "x")
    known = TABLE._replace(role=None, metric="", drains=True, measures=(measure,))
    recorded = items.schema_item(0, known._replace(**fields), 0, None)
    with Playback(str(path)) as playback:
        clock = playback.schemas[0].clock
    item = blocks.Item(items.Kind.SCHEMA, recorded[5:])
    return items.read_schema(item, {0: TABLE.btf}, clock, "x")[1]


def test_metrics_of_gadgets_and_tables_that_are_emptied_come_back(tmp_path: Path) -> None:
    record(tmp_path / "x.rec", ())
    schema = counted(tmp_path / "x.rec")
    assert schema.drains
    with opened(schema) as sink:
        for _ in range(2):
            sink.write(snapshot(schema, [(b"\1\0\0\0", struct.pack("<Q", 9))]))
        assert 'seen_total{otel_scope_name="x",who="1"} 18\n' in page(sink)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"field": "other"}, "it is not a number"),
        ({"labels": (("other", "who"),)}, "its labels are no fields"),
        ({"role": Role.PRINT}, "it is not a number"),
        ({"slots": True, "role": Role.HIST}, "it is no array of numbers"),
    ],
)
def test_a_metric_that_its_records_do_not_have_is_a_warning(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    record(tmp_path / "x.rec", ())
    measure = Measure("seen_total", Role.COUNTER, "value", "", (("key", "who"),), "x")
    schema = counted(tmp_path / "x.rec", measures=(measure._replace(**change),))
    decided = decide([Decoder(schema)])
    assert not decided.accepted
    assert decided.warnings[0].endswith(why)


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "x 1\nroot_logins_total"},
        {"measures": (Measure("a{", Role.GAUGE, "value", "", (), "x"),)},
        {"measures": ("seen",)},
        {"cpus": float("inf")},
    ],
)
def test_malformed_schemas_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    record(tmp_path / "x.rec", ())
    with pytest.raises(RecordingError, match="malformed schema"):
        counted(tmp_path / "x.rec", **change)
