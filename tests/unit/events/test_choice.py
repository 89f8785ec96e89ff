import csv
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from beepy import outputs
from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events import choice
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.row import Rows
from beepy.obj.presentation import ColumnHint, Presentation
from tests.support.events import Exits, ring, stream

BATCH = ring(Exits().schema, [Exits.record(b"bash", 42, -1), Exits.record(b"sh", 43)])


def shown(output: str, batch: Batch, sources: Sequence[str], path: Path) -> str:
    decoder = Decoder(batch.schema)
    choice.apply(sources, [decoder])
    fd = os.open(path / "out", os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    try:
        sink = outputs.make(output, fd)
        sink.open([decoder])
        sink.write(batch)
        sink.close()
    finally:
        os.close(fd)
    return (path / "out").read_text()


def json_names(text: str) -> list[str]:
    return list(json.loads(text.splitlines()[0]))[2:]


def csv_names(text: str) -> list[str]:
    return next(csv.reader(text.splitlines()))[2:]


def column_names(text: str) -> list[str]:
    return text.split("\n", maxsplit=1)[0].split()[1:]


@pytest.mark.parametrize(
    ("output", "names_in"), [("json", json_names), ("csv", csv_names), ("columns", column_names)]
)
def test_every_output_has_the_fields_in_the_order_asked_for(
    output: str, names_in: Callable[[str], list[str]], tmp_path: Path
) -> None:
    def names(source: str) -> list[str]:
        return names_in(shown(output, BATCH, [source], tmp_path))

    assert names("comm,pid") == ["comm", "pid"]
    assert names("exit_code,exit_code,comm") == ["exit_code", "comm"]
    assert names("-start_time,-exit_time,-sig") == ["pid", "tid", "ppid", "exit_code", "comm"]


def test_values_are_those_of_the_fields(tmp_path: Path) -> None:
    lines = shown("json", BATCH, ["comm,exit_code"], tmp_path).splitlines()
    assert [list(json.loads(line).items())[2:] for line in lines] == [
        [("comm", "bash"), ("exit_code", -1)],
        [("comm", "sh"), ("exit_code", 0)],
    ]
    assert shown("csv", BATCH, ["pid,comm"], tmp_path).splitlines()[1].endswith("Z,42,bash")


def test_nothing_but_the_map_and_the_time_may_be_left(tmp_path: Path) -> None:
    w = BtfWriter()
    one = stream(w, w.struct("event", 4, [("pid", w.integer("u32", 4, 0), 0)]), "m")
    batch = ring(one, [b"\1\0\0\0"] * 2)
    lines = shown("json", batch, ["-pid"], tmp_path).splitlines()
    assert [list(json.loads(line)) for line in lines] == [["map", "time"]] * 2


def nested() -> Schema:
    w = BtfWriter()
    u32, u16 = w.integer("u32", 4, 0), w.integer("u16", 2, 0)
    peer = w.struct("peer", 8, [("addr", u32, 0), ("port", u16, 32)])
    return stream(w, w.struct("event", 12, [("pid", u32, 0), ("peer", peer, 32)]), "conns")


def test_json_keeps_the_members_of_a_struct_together(tmp_path: Path) -> None:
    batch = ring(nested(), [b"\1\0\0\0\2\0\0\0\3\0\0\0"])
    line = shown("json", batch, ["peer.port,pid,peer.addr"], tmp_path)
    assert line.endswith('"peer": {"port": 3, "addr": 2}, "pid": 1}\n')
    assert csv_names(shown("csv", batch, ["peer.port,pid,peer.addr"], tmp_path)) == [
        "peer.port",
        "pid",
        "peer.addr",
    ]


def test_fields_that_an_image_hides_are_shown_by_name(tmp_path: Path) -> None:
    hints = {"sig": ColumnHint(hidden=True), "comm": ColumnHint(heading="NAME")}
    presentation = Presentation(columns=hints, not_in_json=frozenset({"ppid"}))
    batch = BATCH._replace(schema=BATCH.schema._replace(presentation=presentation))
    assert "ppid" not in json_names(shown("json", batch, ["-pid"], tmp_path))
    assert json_names(shown("json", batch, ["ppid,pid"], tmp_path)) == ["ppid", "pid"]
    assert json_names(shown("json", batch, ["+ppid"], tmp_path))[4] == "ppid"
    assert column_names(shown("columns", batch, ["-ppid"], tmp_path))[-2:] == ["exit_code", "NAME"]
    assert column_names(shown("columns", batch, ["+sig,-comm"], tmp_path))[-1] == "exit_code"
    assert column_names(shown("columns", batch, ["sig"], tmp_path)) == ["sig"]


def test_rows_of_python_have_the_fields_and_columns_all() -> None:
    decoder = Decoder(BATCH.schema)
    choice.apply(["comm,pid"], [decoder])
    rows = Rows(BATCH, decoder)
    assert [row.asdict() for row in rows] == [
        {"comm": "bash", "pid": 42},
        {"comm": "sh", "pid": 43},
    ]
    assert list(rows.columns()) == ["comm", "pid"]
    assert rows.column("exit_code") == [-1, 0]


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        (["pid,-comm"], "names with and without a sign: expected names"),
        (["print_exits:pid", "comm"], "map 'print_exits' is named twice"),
        (["com"], "no field 'com' in print_exits: did you mean comm?"),
    ],
)
def test_what_cannot_be_chosen_is_refused(sources: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why.replace("?", r"\?")):
        choice.apply(sources, [Decoder(BATCH.schema)])


def test_a_choice_is_checked_without_maps() -> None:
    choice.check(["comm,pid", "-comm"])
    with pytest.raises(UsageError, match="with and without a sign"):
        choice.check(["comm,-pid"])
