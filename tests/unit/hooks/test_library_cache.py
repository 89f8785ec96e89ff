"""ld.so.cache, as glibc writes it and as a container may."""

import os
import struct
from pathlib import Path

import pytest

from beepy.hooks import library_cache

Library = tuple[str, str, int]
"""Name, path, hwcap."""

SSL: list[Library] = [
    ("libssl.so.3", "/lib/libssl.so.3", 0),
    ("libssl.so.1.1", "/opt/libssl.so.1.1", 0),
    ("libssl.so", "/lib/libssl.so", 0),
]


def cache(libraries: list[Library], *, older: int | None = None) -> bytes:
    """Return a cache; ``older`` libraries of the older format precede it."""
    strings, entries = b"", b""
    at = 48 + 24 * len(libraries)
    for name, path, hwcap in libraries:
        both = name.encode() + b"\0" + path.encode() + b"\0"
        entries += struct.pack("=4IQ", 0x303, at, at + len(name) + 1, 0, hwcap)
        strings += both
        at += len(both)
    header = b"glibc-ld.so.cache1.1" + struct.pack("=4I12x", len(libraries), len(strings), 2, 0)
    before = b""
    if older is not None:
        before = b"ld.so-1.7.0\0" + struct.pack("=I", older) + bytes(12 * older)
        before += bytes(-len(before) % 8)
    return before + header + entries + strings


def paths(tmp_path: Path, data: bytes, name: str = "libssl") -> list[str]:
    file = tmp_path / "etc/ld.so.cache"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    return list(library_cache.paths(str(tmp_path), name))


@pytest.mark.parametrize("older", [None, 0, 1, 2])
def test_a_name_without_version_is_the_newest_first(tmp_path: Path, older: int | None) -> None:
    data = cache([("libx.so.1", "/lib/libx.so.1", 0), *SSL], older=older)
    assert paths(tmp_path, data) == [path for _, path, _ in SSL]
    assert paths(tmp_path, data, "libssl.so") == [path for _, path, _ in SSL]


def test_a_version_is_exact(tmp_path: Path) -> None:
    assert paths(tmp_path, cache(SSL), "libssl.so.3") == ["/lib/libssl.so.3"]
    assert paths(tmp_path, cache(SSL), "libssl.so.1") == []


@pytest.mark.parametrize("name", ["lib", "libss", "ssl", "", ".so", "libssl.s"])
def test_other_names(tmp_path: Path, name: str) -> None:
    assert paths(tmp_path, cache(SSL), name) == []


def test_libraries_for_some_processors_only_are_skipped(tmp_path: Path) -> None:
    data = cache([("libssl.so.3", "/lib/glibc-hwcaps/x86-64-v3/libssl.so.3", 1 << 62), *SSL])
    assert paths(tmp_path, data)[0] == "/lib/libssl.so.3"


def test_the_number_of_one_name_is_limited(tmp_path: Path) -> None:
    assert len(paths(tmp_path, cache(SSL[:1] * 1000))) == 64


@pytest.mark.parametrize("path", ["relative", "", "/" + 5000 * "x"])
def test_other_than_paths_are_skipped(tmp_path: Path, path: str) -> None:
    data = cache([("libssl.so.3", path, 0), ("libssl.so.1", "/last", 0)])
    assert paths(tmp_path, data) == ["/last"]


def test_a_truncated_cache(tmp_path: Path) -> None:
    whole = cache(SSL, older=1)
    for size in range(len(whole)):
        found = paths(tmp_path, whole[:size])
        assert found == [path for _, path, _ in SSL][: len(found)]


def test_counts_and_offsets_beyond_the_file(tmp_path: Path) -> None:
    data = bytearray(cache(SSL))
    data[20:24] = b"\xff" * 4
    assert paths(tmp_path, bytes(data)) == []
    data = bytearray(cache(SSL))
    data[48 + 4 : 48 + 8] = b"\xff" * 4
    data[72 + 8 : 72 + 12] = b"\xff" * 4
    assert paths(tmp_path, bytes(data)) == ["/lib/libssl.so"]
    older = b"ld.so-1.7.0\0" + b"\xff" * 4
    assert paths(tmp_path, older + cache(SSL)) == []


def test_no_cache_and_other_files(tmp_path: Path) -> None:
    assert list(library_cache.paths(str(tmp_path), "libssl")) == []
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/ld.so.cache")
    assert list(library_cache.paths(str(tmp_path), "libssl")) == []
    (tmp_path / "etc/ld.so.cache").unlink()
    with (tmp_path / "etc/ld.so.cache").open("wb") as file:
        file.write(cache(SSL))
        file.truncate(1 << 40)
    assert list(library_cache.paths(str(tmp_path), "libssl")) == []


def test_this_machines_cache() -> None:
    if not Path(library_cache.PATH).exists():
        pytest.skip("not there: /etc/ld.so.cache")
    assert any("/libc.so." in path for path in library_cache.paths("", "libc"))
