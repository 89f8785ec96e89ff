import os
from pathlib import Path

import pytest

from beepy import outputs
from beepy.errors import UsageError
from beepy.events.decoder import Decoder
from beepy.outputs.columns import Columns
from beepy.outputs.jsonl import JsonLines
from beepy.outputs.none import NullSink
from tests.support.events import Exits, ring


@pytest.mark.parametrize(
    ("name", "kind"),
    [("json", JsonLines), ("columns", Columns), ("wide", Columns), ("none", NullSink)],
)
def test_names_make_their_sinks(name: str, kind: type) -> None:
    assert isinstance(outputs.make(name), kind)


def test_an_unknown_name_is_an_error() -> None:
    for name, row in outputs.TABLE.items():
        if not row.is_screen:
            outputs.make(name)
    with pytest.raises(
        UsageError,
        match=r"output 'xml\\x1b': unknown: expected json, csv, columns, wide, none, tui",
    ):
        outputs.make("xml\x1b")


def test_the_screen_is_no_sink() -> None:
    with pytest.raises(UsageError, match="output 'tui': it is a screen"):
        outputs.make("tui")


def test_none_writes_nothing(tmp_path: Path) -> None:
    schema = Exits().schema
    fd = os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY)
    sink = outputs.make("none", fd)
    sink.open([Decoder(schema)])
    sink.write(ring(schema, [Exits.record()]))
    sink.close()
    os.close(fd)
    assert (tmp_path / "out").read_bytes() == b""
