"""ld.so.conf of a container, which may hold anything."""

import os
from pathlib import Path

import pytest

from beepy.hooks import libraries

USUAL = 7  # default directories of ld.so


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "root/etc/ld.so.conf.d").mkdir(parents=True)
    return tmp_path / "root/etc"


def folders(etc: Path) -> list[str]:
    return list(libraries.directories(str(etc.parent)))[:-USUAL]


def test_directories_come_in_order_with_includes_in_place(etc: Path) -> None:
    (etc / "ld.so.conf").write_text(
        "/first/  # a comment\ninclude ld.so.conf.d/*.conf /etc/other\n/last\nrelative\n"
    )
    (etc / "ld.so.conf.d/b.conf").write_text("/b\n")
    (etc / "ld.so.conf.d/a.conf").write_text("/a\n")
    (etc / "ld.so.conf.d/c.txt").write_text("/c\n")
    (etc / "other").write_text("/other\n")
    assert folders(etc) == ["/first", "/a", "/b", "/other", "/last"]


def test_without_configuration(etc: Path) -> None:
    assert folders(etc) == []


def test_files_that_include_each_other_are_read_once(etc: Path) -> None:
    (etc / "ld.so.conf").write_text("include ld.so.conf.d/*\n")
    for number in range(20):
        (etc / f"ld.so.conf.d/{number:02}").write_text(
            f"/{number}\ninclude /etc/ld.so.conf.d/* /etc/ld.so.conf\n"
        )
    assert folders(etc) == [f"/{number}" for number in range(20)]


def test_the_number_of_files_is_limited(etc: Path) -> None:
    (etc / "ld.so.conf").write_text("include ld.so.conf.d/*\n")
    for number in range(1000):
        (etc / f"ld.so.conf.d/{number}").write_text("/one\n")
    assert len(folders(etc)) == 255


def test_other_than_regular_files_are_skipped(etc: Path) -> None:
    (etc / "ld.so.conf").write_text("include ld.so.conf.d/*\n/last\n")
    os.mkfifo(etc / "ld.so.conf.d/pipe")
    (etc / "ld.so.conf.d/directory").mkdir()
    (etc / "ld.so.conf.d/zero").symlink_to("/dev/zero")
    assert folders(etc) == ["/last"]


def test_lines_with_nul_are_skipped(etc: Path) -> None:
    (etc / "ld.so.conf").write_bytes(b"/a\0b\ninclude /c\0d/*.conf\n/last\n")
    assert folders(etc) == ["/last"]


def test_versions_of_a_library(etc: Path) -> None:
    directory = etc.parent / "lib"
    directory.mkdir()
    for name in ("libx.so", "libx.so.9", "libx.so.10", "libx.so.10.1", "libx.so.a", "libxy.so.1"):
        (directory / name).touch()
    root = str(etc.parent)
    newest_first = [f"/lib/libx.so{version}" for version in (".10.1", ".10", ".9", "")]
    assert list(libraries.versions(root, "libx")) == newest_first
    assert list(libraries.versions(root, "libx.so")) == newest_first
    assert list(libraries.versions(root, "libx.so.9")) == []
    assert list(libraries.versions(root, "x")) == []


def test_links_stay_within_the_root(etc: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("/outside\n")
    (etc / "inside").write_text("/inside\n")
    (etc / "ld.so.conf").write_text("include ld.so.conf.d/*\n")
    (etc / "ld.so.conf.d/1").symlink_to(tmp_path / "outside")
    (etc / "ld.so.conf.d/2").symlink_to("../../../outside")
    (etc / "ld.so.conf.d/3").symlink_to("/etc/inside")
    assert folders(etc) == ["/inside"]
