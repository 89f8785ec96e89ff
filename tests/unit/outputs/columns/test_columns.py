"""What columns show on a real terminal: its output is interpreted by a model of a screen."""

import itertools
import os
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from beepy import outputs
from beepy.btf.writer import BtfWriter
from beepy.errors import OutputError
from beepy.events import clock, text_lines
from beepy.events.batch import Batch, Part, Schema
from beepy.events.decoder import Decoder
from beepy.obj.spec import Role
from beepy.outputs import DEFAULT, RowOptions
from beepy.outputs.columns import Columns, counts, text_columns
from beepy.outputs.columns.terminal import Terminal as OutputTerminal
from beepy.outputs.metric_options import bounds_of, values_of
from beepy.outputs.row_writer import RowWriter
from beepy.text import safe
from beepy.width import width
from tests.support.events import TIME_NS, Exits, ring, snapshot, stream, table, with_role
from tests.support.screen import Terminal

LATE = 10**18  # not a time of this boot: it is shown as a number


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLUMNS", raising=False)


def run(
    terminal: Terminal,
    schemas: Sequence[Schema],
    *batches: Batch,
    name: str = "columns",
    options: RowOptions = DEFAULT,
) -> None:
    """Open a sink, write batches, close it."""
    sink = outputs.make(name, terminal.fd, options)
    sink.open([Decoder(schema) for schema in schemas])
    for batch in batches:
        sink.write(batch)
    sink.close()


def file_lines(
    tmp_path: Path, schemas: Sequence[Schema], *batches: Batch, options: RowOptions = DEFAULT
) -> list[str]:
    """Write batches to a file; return its lines without their times."""
    fd = os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    sink = outputs.make("columns", fd, options)
    sink.open([Decoder(schema) for schema in schemas])
    for batch in batches:
        sink.write(batch)
    sink.close()
    os.close(fd)
    return [without_time(line) for line in (tmp_path / "out").read_text().splitlines()]


def without_time(line: str) -> str:
    """Return a title without its time."""
    return line[9:] if line[2:3] == line[5:6] == ":" else line


def numbers(name: str = "hist_lat", role: Role | None = Role.HIST, field: str = "le") -> Schema:
    """Return the schema of a stream with a kind and a number."""
    w = BtfWriter()
    u64, u32 = w.integer("u64", 8, 0), w.integer("u32", 4, 0)
    return with_role(
        stream(w, w.struct("event", 16, [("kind", u32, 0), (field, u64, 64)]), name), role
    )


def number(kind: int, value: int) -> bytes:
    return struct.pack("<I4xQ", kind, value)


def gauge(name: str = "gauge_connections", role: Role = Role.GAUGE) -> Schema:
    w = BtfWriter()
    return with_role(
        table(w, w.integer("u32", 4, 0), w.integer("u64", 8, 0), 4, 8, name=name), role
    )


def entries(schema: Schema, *pairs: tuple[int, int], number: int = 1) -> Batch:
    batch = snapshot(
        schema, [(struct.pack("<I", key), struct.pack("<Q", value)) for key, value in pairs]
    )
    return batch._replace(snapshot=number)


def keyed(member: str, signed: int = 0) -> Schema:
    """Return a table of the role hist: its key is a number, or a struct with one member."""
    w = BtfWriter()
    number_type = w.integer("u32", 4, signed)
    key = w.struct("key", 4, [(member, number_type, 0)]) if member else number_type
    return with_role(table(w, key, w.integer("u64", 8, 0), 4, 8, name="hist_sizes"), Role.HIST)


class TestRows:
    def test_they_fit_and_hidden_columns_are_named(self) -> None:
        schema = Exits().schema
        records = [Exits.record(b"bash", 42, -1, LATE), Exits.record(b"a b", 4_194_304, 255, LATE)]
        with Terminal(80, 24) as terminal:
            run(terminal, [schema], ring(schema, records))
            screen = terminal.screen()
        assert screen.wrapped == 0
        assert screen.lines[:2] == [
            "hidden: exit_time (-o wide shows all)",
            "time              start_time     pid     tid    ppid sig  exit_code comm",
        ]
        assert [line.split()[1:] for line in screen.lines[2:]] == [
            [str(LATE), "42", "42", "1", "0", "-1", "bash"],
            [str(LATE), "4194304", "4194304", "1", "0", "255", "a", "b"],
        ]
        assert "\x1b" not in terminal.written

    def test_a_tid_other_than_the_pid_is_shown(self) -> None:
        schema = Exits().schema
        record = bytearray(Exits.record(b"thread", 42, 1, LATE))
        with Terminal(45, 24) as terminal:
            run(terminal, [schema], ring(schema, [bytes(record)]))
            assert terminal.screen().lines[1].split() == [
                "time",
                "pid",
                "ppid",
                "sig",
                "exit_code",
                "comm",
            ]
            record[20:24] = struct.pack("<I", 43)
        with Terminal(45, 24) as terminal:
            run(terminal, [schema], ring(schema, [bytes(record)]))
            assert terminal.screen().lines[1].split() == [
                "time",
                "pid",
                "tid",
                "sig",
                "exit_code",
                "comm",
            ]

    def test_headings_are_repeated_each_screenful(self) -> None:
        schema = Exits().schema
        records = [Exits.record(b"x", pid, 1, LATE) for pid in range(1, 101)]
        with Terminal(80, 24) as terminal:
            run(terminal, [schema], ring(schema, records[:10]), ring(schema, records[10:]))
            screen = terminal.screen()
        headings = [at for at, line in enumerate(screen.all_lines) if line.startswith("time ")]
        assert headings[0] == 1
        assert len(headings) == 5
        assert max(after - before for before, after in itertools.pairwise(headings)) <= 23
        assert any(line.startswith("time ") for line in screen.lines)

    def test_a_resize_repeats_the_headings(self) -> None:
        schema = Exits().schema
        sink_batch = ring(schema, [Exits.record(b"a long name of 15", 42, 1, LATE)])
        with Terminal(200, 24) as terminal:
            sink = outputs.make("columns", terminal.fd)
            sink.open([Decoder(schema)])
            sink.write(sink_batch)
            wide = terminal.text()
            terminal.resize(60, 20)
            sink.write(sink_batch)
            narrow = terminal.text()[len(wide) :].splitlines()
            terminal.resize(200, 24)
            sink.write(sink_batch)
            again = terminal.text()[len(wide) + sum(map(len, narrow)) + 2 * len(narrow) :]
            sink.close()
        assert "hidden" not in wide
        assert narrow[0].startswith("hidden: start_time, exit_time")
        assert max(map(len, narrow)) <= 60
        assert again == wide

    def test_a_text_that_is_too_long_is_cut(self) -> None:
        w = BtfWriter()
        text = w.array(w.integer("char", 1, 1), 256)
        schema = stream(
            w, w.struct("s", 260, [("pid", w.integer("u32", 4, 0), 0), ("texts", text, 32)])
        )
        names = [b"/" + b"x" * 200, "/\u4e16\u754c".encode() * 20, b"/short", b"\x1b[2J" * 40]
        with Terminal(40, 24) as terminal:
            run(
                terminal, [schema], ring(schema, [struct.pack("<I256s", 7, name) for name in names])
            )
            screen = terminal.screen()
        assert screen.wrapped == 0
        assert [line[18:] for line in screen.lines] == [
            "texts",
            "/" + "x" * 20 + "…",
            "/\u4e16\u754c" * 4 + "/…",
            "/short",
            "\\x1b[2J\\x1b[2J\\x1b[2J…",
        ]

    def test_a_path_that_is_too_long_keeps_its_end(self) -> None:
        w = BtfWriter()
        text = w.array(w.integer("char", 1, 1), 256)
        schema = stream(
            w, w.struct("s", 260, [("pid", w.integer("u32", 4, 0), 0), ("fname", text, 32)])
        )
        names = [
            b"/usr/include/bpf/bpf_helpers.h",
            "/\u4e16\u754c".encode() * 20,
            b"/short",
            b"/" + b"x" * 200 + b"/end",
        ]
        with Terminal(40, 24) as terminal:
            run(
                terminal, [schema], ring(schema, [struct.pack("<I256s", 7, name) for name in names])
            )
            screen = terminal.screen()
        assert screen.wrapped == 0
        assert [line[18:] for line in screen.lines] == [
            *("fname", "\u2026ude/bpf/bpf_helpers.h"),
            *(
                "\u2026/" + "\u4e16\u754c/" * 3 + "\u4e16\u754c",
                "/short",
                "\u2026" + "x" * 17 + "/end",
            ),
        ]

    def test_an_unprintable_name_hides_no_column(self) -> None:
        schema = Exits().schema
        records = [Exits.record(name, 1, 1, LATE) for name in (b"\x80" * 15, b"bash")]
        with Terminal(110, 24) as terminal:
            run(terminal, [schema], ring(schema, records))
            head, first, second = terminal.screen().lines
        assert head.startswith("time ")
        assert len(first) == 110
        assert first.endswith("\\x80\\…")
        assert second.endswith(" bash")

    @pytest.mark.parametrize("width", [1, 5, 20, 33, 79, 80, 81, 132])
    def test_no_row_wraps_at_any_width(self, width: int) -> None:
        schema, other = Exits().schema, Exits("print_others").schema
        records = [
            Exits.record(bytes([65 + at % 26]) * (at % 17), 4**at % 2**22, -at, LATE)
            for at in range(30)
        ]
        with Terminal(width, 10) as terminal:
            run(
                terminal,
                [schema, other],
                ring(schema, records),
                ring(other, records[:3]),
                ring(schema, records),
            )
            assert terminal.screen().wrapped == 0

    def test_several_maps_keep_their_layouts_without_repeated_headings(self) -> None:
        first, second = Exits().schema, numbers("print_numbers", role=Role.PRINT)
        exit_row = ring(first, [Exits.record(b"x", 1, 1, LATE)])
        number_row = ring(second, [number(1, 2)])
        batches = [exit_row, number_row] * 3
        with Terminal(120, 30) as terminal:
            run(terminal, [first, second], *batches)
            screen_lines = terminal.screen().lines
        headings = [line for line in screen_lines if " time " in line]
        assert [line.split()[0] for line in headings] == ["print_exits", "print_numbers"] * (
            len(headings) // 2
        )
        assert [line.split()[0] for line in screen_lines[-6:]] == [
            "print_exits",
            "print_numbers",
        ] * 3

    def test_a_field_beyond_the_end_of_a_record_is_empty(self) -> None:
        schema = numbers("print_numbers", role=Role.PRINT)
        with Terminal(80, 24) as terminal:
            run(
                terminal,
                [schema],
                ring(schema, [number(7, 1234567)]),
                ring(schema, [number(7, 1)[:8]]),
            )
            assert [line[9:].split() for line in terminal.screen().lines] == [
                ["kind", "le"],
                ["7", "1234567"],
                ["7"],
            ]

    def test_wide_hides_and_cuts_nothing(self) -> None:
        w = BtfWriter()
        text = w.array(w.integer("char", 1, 1), 256)
        schema = stream(
            w, w.struct("s", 260, [("uid", w.integer("u32", 4, 0), 0), ("fname", text, 32)])
        )
        with Terminal(40, 24) as terminal:
            run(
                terminal,
                [schema],
                ring(schema, [struct.pack("<I256s", 7, b"x" * 200)]),
                name="wide",
            )
            written = terminal.text()
        assert "hidden" not in written
        assert "x" * 200 in written

    def test_the_variable_columns_is_the_width_of_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        schema = Exits().schema
        batch = ring(schema, [Exits.record(b"x", 1, 1, LATE)])
        monkeypatch.setenv("COLUMNS", "60")
        lines = file_lines(tmp_path, [schema], batch, batch)
        assert max(map(len, lines)) <= 60
        assert [line.startswith(("hidden:", "time ")) for line in lines] == [
            True,
            True,
            False,
            False,
        ]
        for nonsense in ("0", "x", "-5", "", "\u0663\u0663", "9" * 20, "9" * 5000):
            monkeypatch.setenv("COLUMNS", nonsense)
            assert "hidden" not in file_lines(tmp_path, [schema], batch)[0]
        monkeypatch.setenv("COLUMNS", "0060")
        assert max(map(len, file_lines(tmp_path, [schema], batch))) <= 60

    def test_a_long_value_of_wide_moves_its_own_row_only(self) -> None:
        w = BtfWriter()
        text, u32 = w.array(w.integer("char", 1, 1), 256), w.integer("u32", 4, 0)
        schema = stream(
            w, w.struct("s", 264, [("pid", u32, 0), ("fname", text, 32), ("ret", u32, 2080)])
        )
        records = [
            struct.pack("<I256sI", 7, name, 3)
            for name in (b"x" * 200, b"/short", "/\u4e16".encode())
        ]
        with Terminal(400, 24) as terminal:
            run(
                terminal,
                [schema],
                ring(schema, records[:1]),
                ring(schema, records[1:]),
                name="wide",
            )
            long, *short = [
                line for line in terminal.text().splitlines() if line.rstrip().endswith("3")
            ]
        assert "x" * 200 in long
        assert len({width(line) for line in short}) == 1
        assert len(short[0]) < 70

    def test_ascii_rows_are_made_by_one_format(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def slow(*_: object, **__: object) -> str:
            raise AssertionError("a cell was fitted alone")

        for name in ("truncate", "pad"):
            monkeypatch.setattr(text_columns, name, slow)
        schema = Exits().schema
        with Terminal(80, 24) as terminal:
            run(
                terminal,
                [schema],
                ring(schema, [Exits.record(b"x", pid, 1, LATE) for pid in range(1, 20)]),
            )
            assert len(terminal.screen().all_lines) == 21

    def test_the_clock_is_read_a_few_times_for_many_rows(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clocks = []

        def read(number: int) -> int:
            clocks.append(number)
            return time.clock_gettime_ns(number)

        monkeypatch.setattr(clock.LIVE, "_read", read)
        schema = Exits().schema
        now = time.monotonic_ns()
        batch = ring(schema, [Exits.record(b"x", pid, 1, now - pid) for pid in range(1, 500)])
        with Terminal(200, 24) as terminal:
            run(terminal, [schema], batch._replace(time_ns=time.time_ns()))
        assert len(clocks) < 50

    def test_only_the_part_of_a_long_text_that_fits_is_escaped(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lengths = []

        def counted_safe(text: str) -> str:
            lengths.append(len(text))
            return safe(text)

        monkeypatch.setattr(text_columns, "safe", counted_safe)
        w = BtfWriter()
        text = w.array(w.integer("char", 1, 1), 4096)
        schema = stream(
            w, w.struct("s", 4100, [("pid", w.integer("u32", 4, 0), 0), ("texts", text, 32)])
        )
        names = [b"\x1b" * 4096, "e\u0301".encode() * 1000, "\u0301".encode() * 2000, b"/short"]
        with Terminal(60, 24) as terminal:
            run(
                terminal,
                [schema],
                ring(schema, [struct.pack("<I4096s", 7, name) for name in names]),
            )
            screen = terminal.screen()
        assert screen.wrapped == 0
        assert [line.endswith("…") for line in screen.lines[1:]] == [True, True, True, False]
        assert max(lengths) < 200


class TestTables:
    def test_they_are_redrawn_in_place(self) -> None:
        schema = gauge()
        first = entries(schema, (1, 5), (2, 70))
        second = entries(schema, (1, 6), number=2)
        with Terminal(80, 24) as terminal:
            sink = outputs.make("columns", terminal.fd)
            sink.open([Decoder(schema)])
            assert [without_time(line) for line in terminal.screen().lines] == [
                "gauge_connections: empty"
            ]
            sink.write(first)
            terminal.until("entries")
            assert [without_time(line) for line in terminal.screen().lines] == [
                "gauge_connections: 2 entries",
                "key value",
                "  2    70",
                "  1     5",
            ]
            sink.write(second)
            sink.close()
            assert [without_time(line) for line in terminal.screen().all_lines] == [
                "gauge_connections: 1 entry",
                "key value",
                "  1     6",
            ]

    def test_a_snapshot_of_several_batches_is_shown_when_it_is_complete(self) -> None:
        schema = gauge()
        pieces = [entries(schema, (at, at + 1))._replace(final=at == 2) for at in range(3)]
        with Terminal() as terminal:
            sink = outputs.make("columns", terminal.fd)
            sink.open([Decoder(schema)])
            sink.write(pieces[0])
            sink.write(pieces[1])
            assert without_time(terminal.screen().lines[0]) == "gauge_connections: empty"
            sink.write(pieces[2])
            terminal.until("3 entries")
            sink.close()

    def test_a_large_table_shows_its_largest(self) -> None:
        schema = gauge()
        batches = [
            entries(schema, *[(at, at + 1) for at in range(start, start + 1000)])
            for start in (0, 1000, 2000)
        ]
        with Terminal(80, 10) as terminal:
            run(
                terminal,
                [schema],
                *[batch._replace(final=False) for batch in batches[:2]],
                batches[2],
            )
            shown = [without_time(line) for line in terminal.screen().lines]
        assert shown == [
            "gauge_connections: 3000 entries",
            " key value",
            *[f"{at - 1} {at:>5}" for at in range(3000, 2995, -1)],
            "... 2995 more",
        ]

    def test_others_are_sorted_by_key(self) -> None:
        schema = gauge("print_sums", Role.PRINT)
        with Terminal() as terminal:
            run(terminal, [schema], entries(schema, (300, 5), (2, 7), (20, 6)))
            assert [line.split() for line in terminal.screen().lines[2:]] == [
                ["2", "7"],
                ["20", "6"],
                ["300", "5"],
            ]

    def test_values_of_each_cpu_are_rows(self) -> None:
        w = BtfWriter()
        schema = table(w, w.integer("u32", 4, 0), w.enum("e", {"A": 1, "B": 2}), 4, 4, cpus=2)
        with Terminal() as terminal:
            run(
                terminal,
                [schema],
                snapshot(schema, [(struct.pack("<I", 7), struct.pack("<I4xI4x", 1, 2))]),
            )
            assert [line.split() for line in terminal.screen().lines[1:]] == [
                ["key", "cpu", "value"],
                ["7", "0", "A"],
                ["7", "1", "B"],
            ]

    def test_in_a_file_each_snapshot_is_appended(self, tmp_path: Path) -> None:
        schema = gauge()
        lines = file_lines(
            tmp_path, [schema], entries(schema, (1, 5)), entries(schema, (1, 6), number=2)
        )
        assert [line.split() for line in lines] == [
            ["time", "key", "value"],
            ["1", "5"],
            ["1", "6"],
        ]

    def test_a_dumb_terminal_is_not_redrawn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "dumb")
        schema = gauge()
        with Terminal() as terminal:
            run(terminal, [schema], entries(schema, (1, 5)), entries(schema, (1, 6), number=2))
            written = terminal.text()
        assert "\x1b" not in written
        assert len(written.splitlines()) == 3

    def test_lines_of_an_iterator_are_a_table(self) -> None:
        schema = text_lines.schema("image", "tasks")
        pieces = [next(text_lines.pieces(text)) for text in (b"9 zsh", b"1 init", b"x" * 200)]
        batch = Batch(
            schema,
            (Part(b"".join(pieces), text_lines.LENGTH, 0),),
            3,
            text_lines.LENGTH,
            TIME_NS,
            snapshot=1,
        )
        with Terminal() as terminal:
            run(
                terminal,
                [schema],
                batch._replace(final=True),
                batch._replace(final=True, snapshot=2),
            )
            screen = terminal.screen()
        assert [without_time(line) for line in screen.all_lines] == [
            "tasks: 3 lines",
            "line",
            "9 zsh",
            "1 init",
            "x" * 79 + "…",
        ]


class TestHistograms:
    def test_a_stream_is_drawn(self) -> None:
        schema = numbers()
        records = [number(1, value) for value in (0, 1, 2, 900, 900)] + [number(2, 5)]
        with Terminal() as terminal:
            run(terminal, [schema], ring(schema, records))
            screen = terminal.screen()
        assert screen.wrapped == 0
        assert [without_time(line) for line in screen.lines[:5]] == [
            "hist_lat: 6 events",
            "kind = 1",
            "     value               : count    distribution",
            "         0 -> 1          : 2        |****************************************|",
            "         2 -> 3          : 1        |********************                    |",
        ]
        assert screen.lines[13:16] == [
            "",
            "kind = 2",
            "     value               : count    distribution",
        ]

    def test_in_a_file_it_is_written_once_at_the_end(self, tmp_path: Path) -> None:
        schema = numbers(field="lat_us")
        decoders = [Decoder(schema)]
        options = RowOptions(
            bounds=bounds_of(["hist_lat,[10,20]"], decoders), values=values_of(["lat_us"], decoders)
        )
        batches = [ring(schema, [number(1, value)]) for value in (10, 11, 11, 30)]
        assert file_lines(tmp_path, [schema], *batches, options=options) == [
            "hist_lat: 4 events",
            "kind = 1",
            "     usecs               : count    distribution",
            "           -> 10         : 1        |********************                    |",
            "        10 -> 20         : 2        |****************************************|",
            "        20 -> +Inf       : 1        |********************                    |",
            "",
        ]

    def test_rows_are_shown_on_request(self, tmp_path: Path) -> None:
        schema = numbers()
        lines = file_lines(
            tmp_path, [schema], ring(schema, [number(1, 7)]), options=RowOptions(rows=True)
        )
        assert [line.split() for line in lines] == [["time", "kind", "le"], ["1", "7"]]

    def test_without_its_number_a_stream_is_rows(self, tmp_path: Path) -> None:
        schema = numbers(field="other")
        assert len(file_lines(tmp_path, [schema], ring(schema, [number(1, 7)]))) == 2

    def test_a_record_without_its_number_is_in_no_bucket(self, tmp_path: Path) -> None:
        schema = numbers()
        lines = file_lines(
            tmp_path, [schema], ring(schema, [number(1, 1)]), ring(schema, [number(1, 1)[:8]])
        )
        assert lines[0] == "hist_lat: 1 event"

    def test_a_table_of_slots_is_drawn(self, tmp_path: Path) -> None:
        w = BtfWriter()
        u32 = w.integer("u32", 4, 0)
        hist = w.struct(
            "hist",
            32,
            [("slots", w.array(u32, 4), 0), ("comm", w.array(w.integer("char", 1, 1), 16), 128)],
        )
        schema = table(w, u32, hist, 4, 32, name="hists")
        batch = snapshot(schema, [(bytes(4), struct.pack("<4I16s", 0, 2, 4, 0, b"bash"))])
        assert file_lines(tmp_path, [schema], batch) == [
            "hists: 6 events",
            "key = 0, value.comm = bash",
            "     value               : count    distribution",
            "         0 -> 1          : 0        |                                        |",
            "         2 -> 3          : 2        |********************                    |",
            "         4 -> 7          : 4        |****************************************|",
            "",
        ]

    def test_slots_that_are_not_counts_are_columns(self, tmp_path: Path) -> None:
        w = BtfWriter()
        u32 = w.integer("u32", 4, 0)
        value = w.struct("value", 8, [("slots", w.array(w.integer("int", 4, 1), 2), 0)])
        schema = table(w, u32, value, 4, 8, name="numbers")
        lines = file_lines(
            tmp_path, [schema], snapshot(schema, [(bytes(4), struct.pack("<2i", 1, -2))])
        )
        assert [line.split() for line in lines] == [
            ["time", "key", "value.slots"],
            ["0", "[1", "-2]"],
        ]

    def test_slots_of_all_cpus_are_added_up(self, tmp_path: Path) -> None:
        w = BtfWriter()
        u32 = w.integer("u32", 4, 0)
        hist = w.struct("hist", 8, [("slots", w.array(u32, 2), 0)])
        schema = table(w, u32, hist, 4, 8, cpus=2, name="hists")
        batch = snapshot(schema, [(bytes(4), struct.pack("<4I", 1, 2, 3, 4))])
        lines = file_lines(tmp_path, [schema], batch)
        assert [line.split()[4] for line in lines[3:5]] == ["4", "6"]

    def test_rows_of_a_table_of_slots_are_shown_on_request(self, tmp_path: Path) -> None:
        schema = gauge("hist_sizes", Role.HIST)
        lines = file_lines(
            tmp_path, [schema], entries(schema, (0, 3), (1, 6)), options=RowOptions(rows=True)
        )
        assert [line.split() for line in lines] == [
            ["time", "key", "value"],
            ["0", "3"],
            ["1", "6"],
        ]

    @pytest.mark.parametrize("member", ["", "key", "bucket", "pid"])
    def test_a_key_that_is_not_a_slot_is_a_column(self, tmp_path: Path, member: str) -> None:
        schema = keyed(member)
        lines = file_lines(tmp_path, [schema], entries(schema, (1234, 3)))
        assert [line.split() for line in lines][1:] == [["1234", "3"]]

    def test_slots_that_are_not_powers_of_two_are_a_table(self, tmp_path: Path) -> None:
        schema = keyed("slot")
        lines = file_lines(tmp_path, [schema], entries(schema, (1, 3), (1234, 6)))
        assert [line.split() for line in lines] == [
            ["hist_sizes:", "2", "entries"],
            ["slot", "value"],
            ["1", "3"],
            ["1234", "6"],
            [],
        ]

    def test_events_in_no_slot_are_counted(self, tmp_path: Path) -> None:
        schema = keyed("slot", signed=1)
        lines = file_lines(tmp_path, [schema], entries(schema, (1, 3), (0xFFFFFFFF, 6)))
        assert lines[:2] == ["hist_sizes: 9 events", "... 6 in none of the slots 0 to 63"]

    def test_more_slots_than_powers_of_two_are_counted(self, tmp_path: Path) -> None:
        w = BtfWriter()
        u32 = w.integer("u32", 4, 0)
        schema = table(
            w, u32, w.struct("hist", 320, [("slots", w.array(u32, 80), 0)]), 4, 320, name="hists"
        )
        batch = snapshot(schema, [(bytes(4), struct.pack("<80I", 0, 2, *[0] * 70, 5, *[0] * 7))])
        assert file_lines(tmp_path, [schema], batch)[:2] == [
            "hists: 7 events",
            "... 5 in none of the slots 0 to 63",
        ]

    def test_a_table_whose_keys_are_slots_is_drawn(self, tmp_path: Path) -> None:
        schema = keyed("slot")
        assert file_lines(tmp_path, [schema], entries(schema, (0, 3), (1, 6), (9, 0))) == [
            "hist_sizes: 9 events",
            "     value               : count    distribution",
            "         0 -> 1          : 3        |********************                    |",
            "         2 -> 3          : 6        |****************************************|",
            "",
        ]

    def test_many_histograms_are_bounded_by_the_screen(self) -> None:
        schema = numbers()
        records = [number(kind, 100) for kind in range(50) for _ in range(50 - kind)]
        with Terminal(80, 24) as terminal:
            run(terminal, [schema], ring(schema, records))
            screen = terminal.screen()
        assert len(screen.all_lines) <= 23
        assert screen.lines[1] == "kind = 0"
        assert screen.lines[-1] == "... 48 more histograms"


class TestCounts:
    def test_a_counter_is_a_count_for_each_set_of_values(self) -> None:
        schema = numbers("counter_kinds", Role.COUNTER, "bytes")
        records = [number(1, 5), number(2, 6), number(1, 5), number(1, 7)]
        with Terminal() as terminal:
            run(terminal, [schema], ring(schema, records), ring(schema, records))
            screen = terminal.screen()
        assert [without_time(line) for line in screen.all_lines] == [
            "counter_kinds: 8 events",
            "count kind bytes",
            "    4    1     5",
            "    2    1     7",
            "    2    2     6",
        ]

    def test_points_in_time_are_not_labels(self, tmp_path: Path) -> None:
        schema = with_role(Exits("counter_exits").schema, Role.COUNTER)
        records = [Exits.record(b"x", 1, 1, LATE + at) for at in range(3)]
        lines = file_lines(tmp_path, [schema], ring(schema, records))
        assert [line.split() for line in lines[:3]] == [
            ["counter_exits:", "3", "events"],
            ["count", "pid", "tid", "ppid", "sig", "exit_code", "comm"],
            ["3", "1", "1", "1", "0", "1", "x"],
        ]

    def test_short_records_are_counted(self, tmp_path: Path) -> None:
        schema = numbers("counter_kinds", Role.COUNTER, "bytes")
        lines = file_lines(
            tmp_path, [schema], ring(schema, [number(1, 5)]), ring(schema, [number(1, 5)[:8]] * 2)
        )
        assert [line.split() for line in lines[2:4]] == [["2", "1"], ["1", "1", "5"]]

    def test_a_gauge_is_its_last_value(self, tmp_path: Path) -> None:
        schema = numbers("gauge_level", Role.GAUGE, "value")
        records = [number(1, 5), number(2, 6), number(1, 7), number(1, 5)]
        lines = file_lines(tmp_path, [schema], ring(schema, records[:2]), ring(schema, records[2:]))
        assert [line.split() for line in lines[1:3]] == [["value", "kind"], ["6", "2"]]
        assert lines[3].split() == ["5", "1"]

    def test_records_without_the_gauge_take_no_room(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counts, "_MAX_TEXT", 8)
        schema = numbers("gauge_level", Role.GAUGE, "value")
        short = [ring(schema, [number(kind, 5)[:8]]) for kind in range(10, 30)]
        lines = file_lines(tmp_path, [schema], *short, ring(schema, [number(10, 7)]))
        assert [line.split() for line in lines[1:3]] == [["value", "kind"], ["7", "10"]]

    def test_a_set_of_labels_that_is_too_long_leaves_room_for_shorter_ones(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counts, "_MAX_TEXT", 8)
        schema = numbers("counter_kinds", Role.COUNTER, "bytes")
        long, fitting = number(1234, 123_456), number(1, 5)
        assert file_lines(tmp_path, [schema], ring(schema, [long]))[:2] == [
            "counter_kinds: 1 event",
            "... other: 1 event, of more sets of values than these 0",
        ]
        lines = file_lines(tmp_path, [schema], ring(schema, [long, fitting]))
        assert lines[2].split() == ["1", "1", "5"]

    def test_sets_of_labels_are_bounded_and_the_rest_is_counted(self, tmp_path: Path) -> None:
        schema = numbers("counter_many", Role.COUNTER, "bytes")
        lines = file_lines(
            tmp_path, [schema], ring(schema, [number(at, at) for at in range(10_007)])
        )
        assert lines[-2] == "... other: 7 events, of more sets of values than these 10000"
        assert len(lines) == 10_004


class TestLive:
    def test_rows_go_above_the_block(self) -> None:
        rows, counted = Exits().schema, numbers("counter_kinds", Role.COUNTER)
        row = ring(rows, [Exits.record(b"x", 1, 1, LATE)])
        event = ring(counted, [number(1, 5)])
        with Terminal() as terminal:
            run(terminal, [rows, counted], event, row, event, row)
            screen = terminal.screen()
        assert screen.wrapped == 0
        assert [without_time(line).split()[0] for line in screen.all_lines if line][:2] == [
            "hidden:",
            "time",
        ]
        assert screen.all_lines[-4] == ""
        assert [without_time(line) for line in screen.all_lines[-3:]] == [
            "counter_kinds: 2 events",
            "count kind le",
            "    2    1  5",
        ]
        assert sum("counter_kinds" in line for line in screen.all_lines) == 1

    def test_the_last_change_is_drawn_though_nothing_follows(self) -> None:
        schema = numbers("counter_kinds", Role.COUNTER)
        with Terminal() as terminal:
            sink = outputs.make("columns", terminal.fd)
            sink.open([Decoder(schema)])
            sink.write(ring(schema, [number(1, 5)] * 7))
            terminal.until("counter_kinds: 7 events")
            sink.close()

    def test_drawing_starts_no_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        started: list[threading.Thread] = []
        start = threading.Thread.start

        def seen(thread: threading.Thread) -> None:
            started.append(thread)
            start(thread)

        schema = numbers("counter_kinds", Role.COUNTER)
        with Terminal() as terminal:
            before = set(threading.enumerate())
            sink = outputs.make("columns", terminal.fd)
            sink.open([Decoder(schema)])
            monkeypatch.setattr(threading.Thread, "start", seen)
            for events in (1, 2, 3):
                sink.write(ring(schema, [number(1, 5)]))
                terminal.until(f"counter_kinds: {events} event")
            sink.close()
            assert not started
            assert set(threading.enumerate()) <= before

    def test_the_error_of_a_late_drawing_is_raised_by_the_next_write(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        schema = numbers("counter_kinds", Role.COUNTER)
        with Terminal() as terminal:
            out = RowWriter(terminal.fd)
            sink = Columns(out, terminal=OutputTerminal(terminal.fd))
            failed = threading.Event()

            def fail(_: object) -> None:
                failed.set()
                raise OutputError("standard output: write: no space left on device")

            sink.open([Decoder(schema)])
            monkeypatch.setattr(out, "write", fail)
            with pytest.raises(OutputError, match="no space"):  # noqa: PT012 - of either write
                sink.write(ring(schema, [number(1, 5)]))
                assert failed.wait(60)
                sink.write(ring(schema, [number(1, 5)]))
            monkeypatch.undo()
            sink.close()

    @pytest.mark.parametrize("height", [2, 3, 5, 10, 24])
    def test_the_block_is_never_higher_than_the_screen(self, height: int) -> None:
        schemas = [numbers(f"hist_{at}") for at in range(3)] + [
            gauge(f"gauge_{at}") for at in range(3)
        ]
        batches = [ring(schema, [number(1, 1 << at) for at in range(30)]) for schema in schemas[:3]]
        batches += [entries(schema, *[(at, 1) for at in range(30)]) for schema in schemas[3:]]
        with Terminal(80, height) as terminal:
            run(terminal, schemas, *batches, *batches, name="columns")
            screen = terminal.screen()
        assert len(screen.all_lines) <= height - 1
        assert screen.wrapped == 0

    def test_wide_lines_of_a_block_are_erased_whole(self) -> None:
        w = BtfWriter()
        text = w.array(w.integer("char", 1, 1), 200)
        schema = with_role(
            table(w, text, w.integer("u64", 8, 0), 200, 8, name="gauge_names"), Role.GAUGE
        )
        batches = [
            snapshot(schema, [(b"x" * 150 + bytes(50), bytes([at] * 8))])._replace(snapshot=at)
            for at in (1, 2, 3)
        ]
        with Terminal(40, 24) as terminal:
            run(terminal, [schema], *batches, name="wide")
            screen = terminal.screen()
        assert sum("gauge_names" in line for line in screen.all_lines) == 1

    def test_wide_lines_of_a_block_are_no_more_than_the_screen_holds(self) -> None:
        w = BtfWriter()
        text = w.array(w.integer("char", 1, 1), 200)
        schema = with_role(
            table(w, text, w.integer("u64", 8, 0), 200, 8, name="gauge_names"), Role.GAUGE
        )
        names = [bytes([65 + at]) * 150 + bytes(50) for at in range(10)]
        batches = [snapshot(schema, [(name, bytes([at] * 8)) for name in names]) for at in (1, 2)]
        with Terminal(40, 24) as terminal:
            run(terminal, [schema], *batches, name="wide")
            assert len(terminal.screen().all_lines) <= 23

    def test_lines_of_other_writers_are_not_overwritten(self) -> None:
        schema = numbers("counter_kinds", Role.COUNTER)
        with Terminal() as terminal:
            sink = outputs.make("columns", terminal.fd)
            sink.open([Decoder(schema)])
            for number_of in (1, 2, 3):
                sink.write(ring(schema, [number(1, 5)]))
                terminal.until(f"counter_kinds: {number_of} event")
                os.write(terminal.fd, b"warning: number %d\n" % number_of)
            sink.close()
            screen = terminal.screen()
        assert [without_time(line) for line in screen.all_lines] == [
            *("warning: number 1", "warning: number 2", "warning: number 3", ""),
            *("counter_kinds: 3 events", "count kind le", "    3    1  5"),
        ]

    def test_a_narrowed_terminal_is_erased_from_the_block_on(self) -> None:
        schema = numbers()
        with Terminal(80, 24) as terminal:
            sink = outputs.make("columns", terminal.fd)
            sink.open([Decoder(schema)])
            sink.write(ring(schema, [number(1, 1)]))
            terminal.until("0 -> 1")
            before = len(terminal.text())
            terminal.resize(40, 24)
            sink.close()
            assert terminal.text()[before:].startswith("\r\x1b[J")
