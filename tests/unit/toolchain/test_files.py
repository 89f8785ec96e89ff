import errno
import os
from pathlib import Path

import pytest

from beepy.errors import OutputError
from beepy.toolchain import files
from tests.support.listed import listed


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("probe.c", "probe.o"),
        ("a.b/probe.bpf.c", "a.b/probe.bpf.o"),
        ("probe", "probe.o"),
        (".c", ".c.o"),
        ("a.b/probe", "a.b/probe.o"),
    ],
)
def test_the_default_object(source: str, expected: str) -> None:
    assert files.default_object(Path(source)) == Path(expected)


def test_a_path_is_no_reference() -> None:
    assert files.as_image(Path("a.b/x.o")) == "./a.b/x.o"
    assert files.as_image(Path("../x.o")) == "../x.o"
    assert files.as_image(Path("/x.o")) == "/x.o"


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.o"
    path.write_bytes(b"before")
    with files.replacement(path, b"after"):
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert listed(tmp_path) == ["x.o"]


def test_a_failure_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.o"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="not ours"), files.replacement(path, b"after"):
        raise OSError(errno.EIO, "not ours")
    assert path.read_bytes() == b"before"
    assert listed(tmp_path) == ["x.o"]


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"before")
    (tmp_path / "x.o").symlink_to("other")
    with files.replacement(tmp_path / "x.o", b"after"):
        pass
    assert (tmp_path / "other").read_bytes() == b"before"
    assert not (tmp_path / "x.o").is_symlink()


def test_other_things_than_files_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null")):
        with (
            pytest.raises(OutputError, match=f"^{path}: not a regular file$"),
            files.replacement(path, b""),
        ):
            raise AssertionError
    with (
        pytest.raises(OutputError, match=r"fifo/x: not a directory$"),
        files.replacement(tmp_path / "fifo" / "x", b""),
    ):
        raise AssertionError


def test_a_new_file(tmp_path: Path) -> None:
    files.create(tmp_path / "x.c", b"text")
    assert (tmp_path / "x.c").read_bytes() == b"text"
    with pytest.raises(OutputError, match=r"x.c: file exists$"):
        files.create(tmp_path / "x.c", b"other")
    assert (tmp_path / "x.c").read_bytes() == b"text"
    with pytest.raises(OutputError, match=r"/nosuch/x.c: no such file or directory$"):
        files.create(Path("/nosuch/x.c"), b"")


def test_a_full_disk_leaves_no_file() -> None:
    with pytest.raises(OutputError, match=r"^/dev/full: "):
        files.create(Path("/dev/full"), b"text")
