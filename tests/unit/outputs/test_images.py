"""Rows say whose they are where several images run."""

import csv
import json
import os
from pathlib import Path

import pytest

from beepy import outputs
from beepy.btf.writer import BtfWriter
from beepy.events.decoder import Decoder
from beepy.outputs import image_name
from tests.support.events import Exits, ring, stream

ONE = Exits().schema._replace(image="ghcr.io/x/exitsnoop:1")
OTHER = Exits().schema._replace(image='o,%d"\x1b')


def lines(path: Path, output: str) -> list[str]:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    sink = outputs.make(output, fd)
    sink.open([Decoder(schema) for schema in (ONE, OTHER)])
    for schema in (ONE, OTHER):
        sink.write(ring(schema, [Exits.record()]))
    sink.close()
    os.close(fd)
    return path.read_text().splitlines()


def test_json(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in lines(tmp_path / "x", "json")]
    assert [row["image"] for row in rows] == [ONE.image, OTHER.image]
    assert list(rows[0])[:3] == ["map", "image", "time"]


def test_csv(tmp_path: Path) -> None:
    header, *rows = csv.reader(lines(tmp_path / "x", "csv"))
    assert header[:3] == ["map", "image", "time"]
    assert [row[1] for row in rows] == [ONE.image, 'o,%d"\\x1b']


@pytest.mark.parametrize("output", ["columns", "wide"])
def test_columns(tmp_path: Path, output: str) -> None:
    text = lines(tmp_path / "x", output)
    rows = [line for line in text if not line.startswith("map ")]
    assert rows[0].startswith("ghcr.io/x/exitsnoop:1.print_exits ")
    assert rows[1].startswith('o,%d"\\x1b.print_exits ')


def test_maps_of_different_names_are_their_images_in_columns(tmp_path: Path) -> None:
    other = OTHER._replace(map="others")
    for output, beginning in (("columns", "others "), ("wide", 'o,%d"\\x1b.others')):
        fd = os.open(tmp_path / output, os.O_CREAT | os.O_WRONLY)
        sink = outputs.make(output, fd)
        sink.open([Decoder(ONE), Decoder(other)])
        sink.write(ring(other, [Exits.record()]))
        sink.close()
        os.close(fd)
        assert (tmp_path / output).read_text().splitlines()[-1].startswith(beginning)


def test_a_field_of_that_name_keeps_it() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = stream(w, w.struct("event", 8, [("image", u32, 0), ("image_", u32, 32)]))
    assert image_name([Decoder(ONE), Decoder(schema)]) == "image__"
    assert image_name([Decoder(ONE), Decoder(OTHER)]) == "image"
    assert image_name([Decoder(ONE), Decoder(ONE._replace(map="x"))]) == ""
    assert image_name([]) == ""
