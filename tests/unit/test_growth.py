"""Adding one thing touches one place: a row is added to each table, and works everywhere.

The rows of other tables are added where their rooms are tested.
"""

import subprocess
import sys
from typing import cast

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events import meaning, rules, semantics
from beepy.events.codec import Codec
from beepy.events.decoder import Decoder
from beepy.events.literals import VariableRef, write
from tests.support.command import ROOT
from tests.support.events import decode, ring, stream, texts

_OUTPUT = """
import sys
from beepy import outputs

class Names:
    def __init__(self, writer):
        self.writer = writer

    def open(self, decoders):
        self.writer.write(f"{len(decoders)} maps\\n")

    def write(self, batch):
        pass

    def close(self):
        self.writer.write("closed\\n")

outputs.TABLE["names"] = outputs.Output(make=lambda writer, options: Names(writer))
sys.argv = ["beepy", *sys.argv[1:]]
from beepy.cli import app
sys.exit(app.main())
"""


def with_an_output(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _OUTPUT, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_an_output_is_in_the_help() -> None:
    words = " ".join(with_an_output("run", "--help").stdout.split())
    assert "arrow, parquet, perfetto, names, or a file" in words


def test_an_output_is_in_the_message_for_another_one() -> None:
    refused = with_an_output("run", "exitsnoop", "-o", "xml")
    assert refused.returncode == 2
    assert "output 'xml': unknown: expected json, csv, columns, wide, none" in refused.stderr
    assert ", perfetto, names, or a file: NAME.jsonl" in refused.stderr


def hardware_address(raw: bytes) -> str:
    return raw.hex(":")


def hardware_address_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def test_a_typedef_is_decoded_and_set(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Codec("6s", 6, hardware_address, str, width=17, from_text=hardware_address_bytes)
    monkeypatch.setitem(cast("dict[str, object]", semantics.TABLE), "mac_addr", {6: codec})
    w = BtfWriter()
    address = w.typedef("mac_addr", w.array(w.integer("unsigned char", 1, 0), 6))
    schema = stream(w, w.struct("event", 6, [("source", address, 0)]))
    raw = bytes.fromhex("0242ac110002")
    assert decode(schema, ring(schema, [raw])) == {"source": ["02:42:ac:11:00:02"]}
    assert texts(schema, ring(schema, [raw])) == {"source": ["02:42:ac:11:00:02"]}
    contents = bytearray(6)
    write(contents, VariableRef(schema.btf, "gateway", address), "02:42:ac:11:00:02")
    assert contents == raw


def test_a_meaning_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        meaning,
        "TABLE",
        (rules.Rule("level", text=lambda value: f"LOW {value}", names=frozenset(["level"])),),
    )
    w = BtfWriter()
    schema = stream(w, w.struct("event", 4, [("level", w.integer(), 0)]))
    (field,) = Decoder(schema).fields
    meant = meaning.of([field])[field]
    assert (meant.name, meant.text(1), meant.text(None)) == ("level", "LOW 1", "")
