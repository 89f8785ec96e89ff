"""Rows as JSON or CSV, for the clipboard and for files: what ``-o json`` and ``-o csv`` write."""

import os
from collections.abc import Iterable

from beepy import new_file, outputs
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.outputs.jsonl import JsonLines
from beepy.outputs.row_writer import RowWriter
from beepy.text import safe
from beepy.tui.rows import Rows


def json_of(decoder: Decoder, rows: Iterable[Batch]) -> str:
    """Return rows as lines of JSON, in ASCII."""
    fd = os.memfd_create("rows", os.MFD_CLOEXEC)
    try:
        sink = JsonLines(RowWriter(fd))
        sink.open([decoder])
        for batch in rows:
            sink.write(batch)
        return os.pread(fd, os.fstat(fd).st_size, 0).decode()
    finally:
        os.close(fd)


def write(path: str, rows: Rows) -> int:
    """Write rows to a new file: CSV if its name ends so, else JSON; return their number.

    Raise OutputError.
    """
    fd = new_file.create(path)
    try:
        output = outputs.output("csv" if path.endswith(".csv") else "json")
        sink = output.make(RowWriter(fd, safe(path)), outputs.DEFAULT)
        sink.open([rows.decoder])
        for batch in rows.chunks():
            sink.write(batch)
        sink.close()
    finally:
        os.close(fd)
    return len(rows)
