"""Files that a run writes replace nothing, and follow no link of others."""

import errno
import os
import stat
from pathlib import Path

import pytest

from beepy import new_file
from beepy.errors import OutputError
from beepy.new_file import Series


def create(path: Path, data: bytes = b"") -> None:
    fd = new_file.create(str(path))
    os.write(fd, data)
    os.close(fd)


def test_a_new_file_is_created_with_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        create(tmp_path / "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_what_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("elsewhere")
    for name in ("file", "link", "dangling", "."):
        with pytest.raises(OutputError, match=r"exists \(EEXIST\)$"):
            create(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [("no/x", "no such file or directory"), ("a\0b", "null byte"), ("x" * 300, "too long")],
)
def test_a_file_that_cannot_be_is_one_error(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(OutputError, match=why):
        create(tmp_path / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whom others could lead astray")
def test_root_writes_into_no_directory_that_another_may_have_made(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "theirs").mkdir()
    os.chown(shared / "theirs", 4711, 4711)
    with pytest.raises(OutputError, match="theirs: owned by user 4711, who may have created it"):
        create(shared / "theirs" / "x")
    (shared / "link").symlink_to(tmp_path)
    os.chown(shared / "link", 4711, 4711, follow_symlinks=False)
    with pytest.raises(OutputError, match="link: owned by user 4711"):
        create(shared / "link" / "x")
    create(shared / "x")


def _no_links(*_: object, **__: object) -> None:
    raise PermissionError(errno.EPERM, "as vfat has it")


@pytest.mark.parametrize("links", [True, False])
def test_a_complete_file_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    create(tmp_path / "x.part", b"data")
    new_file.publish(str(tmp_path / "x.part"), str(tmp_path / "x"))
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    create(tmp_path / "x.part", b"other")
    with pytest.raises(OutputError, match="x: file exists"):
        new_file.publish(str(tmp_path / "x.part"), str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b"data"


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    create(tmp_path / "x.part", b"data")
    new_file.publish(str(tmp_path / "x.part"), str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b"data"
    create(tmp_path / "x.part")
    with pytest.raises(OutputError, match="x: "):
        new_file.publish(str(tmp_path / "x.part"), str(tmp_path / "x"))


def test_a_series_goes_on_after_its_last_file(tmp_path: Path) -> None:
    stem = str(tmp_path / "a.b")
    assert Series(stem, ".csv").next() == f"{stem}.0001.csv"
    for name in ("a.b.0007.csv", "a.b.0012.csv.part", "a.b.csv", "aXb.0099.csv", "a.b.99.csv"):
        (tmp_path / name).touch()
    series = Series(stem, ".csv")
    assert [series.next(), series.next()] == [f"{stem}.0013.csv", f"{stem}.0014.csv"]
    (tmp_path / "a.b.9999.csv").touch()
    assert Series(stem, ".csv").next() == f"{stem}.10000.csv"
    assert Series("/nosuch/a", ".csv").next() == "/nosuch/a.0001.csv"
