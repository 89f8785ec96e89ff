"""A read-only store: a run continues with the verified image, a pull fails (real mounts)."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.oci.lookup import Options, bundled_store
from beepy.oci.save import replaced, save
from tests.conftest import TIERS
from tests.registry.hostile import Hostile
from tests.support.command import BEEPY, Beepy, Running, environment

pytestmark = pytest.mark.registry

NOBODY = 65534
IMAGE = bundled_store().get("exitsnoop")
# The space ends at the program, its config, the manifest, or the index.
FULL = [f"size={pages * 4}k" for pages in range(1, 8)]
MOUNT = 'mount -t tmpfs -o "$0" none "$HOME" && exec "$@"'


@pytest.fixture
def server() -> Iterator[Hostile]:
    server = Hostile(program=IMAGE.programs[0])
    try:
        yield server
    finally:
        server.close()


def with_home(home: Path, options: str) -> Beepy:
    """Return the command with a home on a file system that ends with its mount namespace."""
    if os.geteuid():
        pytest.skip("needs root: a file system is mounted")
    unshare = ("unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, options)
    return Beepy(home, prefix=unshare)


@pytest.mark.parametrize("options", ["ro", "nr_inodes=3", *FULL])
def test_an_image_is_read_all_the_same(home: Path, server: Hostile, options: str) -> None:
    done = with_home(home, options)("describe", server.image, "-o", "json")
    assert done.code == 0
    told = json.loads(done.out)
    assert (told["name"], told["programs"][0]["name"]) == (server.image, "sched_process_exit")
    if done.err:
        (warning,) = done.said
        assert warning.startswith(f"warning: store {home}/.local/share/beepy/store: ")
        assert warning.endswith(f": {server.image} is not kept; --storage DIR names another store")
        assert (
            "Read-only file system" if options == "ro" else "No space left on device"
        ) in warning
    else:
        assert options in FULL[4:]


@pytest.mark.parametrize("options", ["ro", "size=4k"])
def test_a_pull_is_about_the_store(home: Path, server: Hostile, options: str) -> None:
    done = with_home(home, options)("pull", server.image)
    assert (done.code, done.out) == (1, "")
    assert done.said[0].startswith(f"beepy: store {home}/.local/share/beepy/store: ")


def test_who_may_not_write(home: Path, server: Hostile) -> None:
    setpriv = shutil.which("setpriv")
    if os.geteuid() or not setpriv:
        pytest.skip("needs root and setpriv")
    prefix = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    for folder in (home, *home.parents[:3]):
        folder.chmod(0o755)
    beepy = Beepy(home, prefix=prefix)
    if beepy("version").code:
        pytest.skip(f"a user without privilege cannot read this checkout, or {sys.executable}")
    done = beepy("describe", server.image, "-o", "json")
    assert (done.code, json.loads(done.out)["name"]) == (0, server.image)
    assert "Permission denied" in done.err
    assert "--storage DIR" in done.err


def test_bytes_that_are_not_the_image_are_refused_as_ever(home: Path, server: Hostile) -> None:
    digest, program = next((name, blob) for name, blob in server.blobs.items() if len(blob) > 2)
    for wrong in (program[:-1], program + b"\0", program[::-1]):
        server.blobs[digest] = wrong
        done = with_home(home, "ro")("describe", server.image)
        assert (done.code, done.out) == (1, "")
        assert digest in done.said[-1]


def test_a_run(home: Path, server: Hostile) -> None:
    if why := TIERS["kernel"]():
        pytest.skip(why)
    done = with_home(home, "ro")("run", server.image, "-o", "none", "--timeout", "1ms")
    assert done.code == 0
    assert [line.partition(":")[0] for line in done.said] == ["warning", "127.0.0.1", "beepy"]


def on_a_full_disk(home: Path, pages: int, *arguments: str) -> tuple[int, list[str], list[str]]:
    """Run beepy with a home of so many pages; return its code, its errors, the files left there."""
    if os.geteuid():
        pytest.skip("needs root: a file system is mounted")
    script = f'"$@"; code=$?; find {home} -type f; exit $code'
    unshare = ("unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT)
    command = [*unshare, f"size={pages * 4}k", "sh", "-c", script, "sh", *BEEPY, *arguments]
    with Running(command, environment(home)) as running:
        done = running.wait()
    return done.code, done.said, done.out.splitlines()


@pytest.mark.parametrize("pages", [1, 2, 4])
def test_an_archive_on_a_full_disk_leaves_no_file(home: Path, pages: int) -> None:
    path = home / "x.tar"
    done = on_a_full_disk(home, pages, "save", "exitsnoop", "opensnoop", "-o", str(path))
    assert done == (1, [f"beepy: {path}: no space left on device"], [])


@pytest.mark.parametrize("pages", [4, 5, 6])
def test_a_load_on_a_full_disk_leaves_no_blob(home: Path, tmp_path: Path, pages: int) -> None:
    path = tmp_path / "x.tar"
    with replaced(str(path)) as write:
        save(["opensnoop"], write, Options())
    code, said, left = on_a_full_disk(home, pages, "load", str(path))
    assert code == 1
    assert [line for line in said if "No space left on device" in line]
    assert [file for file in left if "/blobs/" in file or "/ingest/" in file] == []
