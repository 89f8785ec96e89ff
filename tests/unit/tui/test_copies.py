"""Rows of the screen in files."""

import fcntl
import os
from pathlib import Path

import pytest

from beepy import new_file
from beepy.errors import OutputError
from beepy.events.decoder import Decoder
from beepy.tui.copies import write
from beepy.tui.rows import Rows
from tests.support.events import Exits, ring

EXITS = Exits()
ROWS = Rows(Decoder(EXITS.schema), [ring(EXITS.schema, [EXITS.record(pid=7)] * 3)])


@pytest.mark.parametrize(("name", "lines"), [("x.csv", 4), ("x.jsonl", 3)])
def test_the_name_says_how_rows_are_written(tmp_path: Path, name: str, lines: int) -> None:
    assert write(str(tmp_path / name), ROWS) == 3
    assert len((tmp_path / name).read_text().splitlines()) == lines


def test_an_error_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str) -> int:
        fd = os.memfd_create(path, os.MFD_ALLOW_SEALING)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
        return fd

    monkeypatch.setattr(new_file, "create", full)
    with pytest.raises(OutputError, match=r"^x\\x1b\.jsonl: write: operation not permitted$"):
        write("x\x1b.jsonl", ROWS)
