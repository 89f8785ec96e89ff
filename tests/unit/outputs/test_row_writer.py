import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from beepy.errors import OutputError
from beepy.events.decoder import Decoder
from beepy.outputs.jsonl import JsonLines
from beepy.outputs.row_writer import CHUNK, RowWriter
from tests.support.events import Exits, ring


def test_all_is_written_to_a_slow_reader() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    text = "0123456789abcdef" * 65536
    received = bytearray()

    def read() -> None:
        while piece := os.read(reader, 1000):
            received.extend(piece)

    thread = threading.Thread(target=read)
    thread.start()
    RowWriter(writer).write(text)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert received.decode() == text


def test_a_closed_reader_is_a_broken_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        RowWriter(writer).write("x")
    os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_an_output_error() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OutputError, match=r"^standard output: write: no space left on device$"):
        RowWriter(fd).write("x")
    os.close(fd)


@pytest.mark.parametrize("flags", [0, os.O_APPEND])
def test_a_file_that_is_full_ends_with_a_whole_line(tmp_path: Path, flags: int) -> None:
    """RLIMIT_FSIZE acts like a full disk."""
    path = tmp_path / "rows"
    path.write_bytes(b"before\n")
    code = """
import os, resource, sys
from beepy.errors import OutputError
from beepy.outputs.row_writer import RowWriter
fd = os.open(sys.argv[1], os.O_WRONLY | int(sys.argv[2]))
os.lseek(fd, 0, os.SEEK_END)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
rows = RowWriter(fd)
try:
    for number in range(100):
        rows.write(b"12345678\\n12345678\\n")
except OutputError as error:
    print(error, os.lseek(fd, 0, os.SEEK_CUR))
os.write(fd, b"more\\n")  # there is room for it again
"""
    done = subprocess.run(
        [sys.executable, "-c", code, path, str(flags)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.stdout == "standard output: write: file too large 997\n"
    assert path.read_bytes() == b"before\n" + 110 * b"12345678\n" + b"mor"


def test_a_closed_file_is_an_output_error() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(OutputError, match=r"^rows\.json: write: bad file descriptor$"):
        RowWriter(writer, "rows.json").write("x")
    os.close(reader)


def test_a_large_batch_is_written_whole_in_pieces(tmp_path: Path) -> None:
    schema = Exits().schema
    fd = os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY)
    sink = JsonLines(RowWriter(fd))
    sink.open([Decoder(schema)])
    sink.write(ring(schema, [Exits.record(pid=n) for n in range(5000)]))
    os.close(fd)
    text = (tmp_path / "out").read_text()
    assert len(text) > 2 * CHUNK
    assert [line.split('"pid": ')[1].split(",")[0] for line in text.splitlines()] == [
        str(n) for n in range(5000)
    ]
