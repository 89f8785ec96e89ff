"""Debian's newest bpftool, with the newest libbpf: unpacked, and run with its own C library."""

import re
import shutil
import subprocess
from functools import cache as once
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.vm import cache, interpreter
from tests.vm.apt import Apt, Unavailable

SUITES: Final = ("sid", "trixie")  # the first of them that can be had
LEAST: Final = (7, 5)

_WRAPPER: Final = """#!/bin/sh
here=${0%/*}
exec "$here/loader" --library-path "$here" "$here/program" "$@"
"""


@once
def folder() -> Path:
    """Return the directory of ``bpftool`` with its libraries (relocatable). Raise Unavailable."""
    return cache.kept(f"bpftool-{interpreter.HOST}", _make)


@once
def missing() -> str:
    """Return why there is none, "" if there is one."""
    try:
        folder()
    except Unavailable as error:
        return f"no bpftool {LEAST[0]}.{LEAST[1]} or newer: {error}"
    return ""


def bpftool() -> Path:
    """Return the command."""
    return folder() / "bpftool"


def _make(root: Path, new: Path) -> None:
    why = []
    for suite in SUITES:
        try:
            _fetch(root, suite, new)
        except Unavailable as error:
            why.append(str(error))
        else:
            return
    raise Unavailable("; ".join(why))


def _fetch(root: Path, suite: str, new: Path) -> None:
    apt = Apt(root, (suite,), interpreter.HOST)
    apt.names("bpftool")
    with TemporaryDirectory() as text:
        unpacked = Path(text)
        apt.unpack_all(apt.needs("bpftool"), unpacked)
        loader = next(unpacked.glob("usr/lib/*/ld-linux-*"))
        program = unpacked / "usr" / "sbin" / "bpftool"
        command = [str(loader), "--library-path", str(loader.parent), "--list", str(program)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"=> (/\S+) ", told):
            shutil.copy(library, new)
        shutil.copy(loader, new / "loader")
        shutil.copy(program, new / "program")
    wrapper = new / "bpftool"
    wrapper.write_text(_WRAPPER)
    wrapper.chmod(0o755)
    ended = subprocess.run([wrapper, "version"], check=False, capture_output=True, text=True)
    version = re.search(r"bpftool v(\d+)\.(\d+)", ended.stdout)
    if not version or (int(version[1]), int(version[2])) < LEAST:
        raise Unavailable(f"{suite}'s: {(ended.stdout or ended.stderr).partition(chr(10))[0]}")
