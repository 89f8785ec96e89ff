"""Find the programs that a build runs: clang, llvm-strip, bpftool.

Each may be named by an environment variable, as in the kernel's Makefiles: CLANG, LLVM_STRIP,
BPFTOOL.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from beepy.errors import BuildError
from beepy.text import excerpt, safe

OLDEST_CLANG: Final = 11

_NEWEST_CLANG: Final = 40  # of Debian's names, clang-14
_SBIN: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on every user's PATH
_VERSION: Final = re.compile(r"clang version ((\d+)[.\d]*)")


class Clang(NamedTuple):
    """A clang that is new enough."""

    path: str
    version: str

    @property
    def major(self) -> int:
        """The release, such as 14."""
        return int(self.version.partition(".")[0])


def clang() -> Clang:
    """Return $CLANG, else ``clang``, else the newest ``clang-N``; the first that is new enough."""
    too_old = ""
    for path in _candidates("CLANG", "clang", *_numbered()):
        match = _VERSION.search(_output(path, "--version"))
        if match and int(match[2]) >= OLDEST_CLANG:
            return Clang(path, match[1])
        version = match[1] if match else "of unknown version"
        too_old = too_old or f"{safe(path)}: clang {version}: {OLDEST_CLANG} or newer is needed"
    error = BuildError(too_old or f"{_named('CLANG', 'clang')}: not found")
    error.add_note("apt install clang")
    raise error


def llvm_strip(compiler: Clang) -> str:
    """Return $LLVM_STRIP, else the llvm-strip of this clang, else any."""
    beside = Path(os.path.realpath(compiler.path)).with_name("llvm-strip")
    names = (str(beside), f"llvm-strip-{compiler.major}", "llvm-strip")
    for path in _candidates("LLVM_STRIP", *names):
        return path
    error = BuildError(f"{_named('LLVM_STRIP', 'llvm-strip')}: not found")
    error.add_note("apt install llvm")
    raise error


def bpftool() -> str:
    """Return $BPFTOOL, else the first bpftool that runs.

    Ubuntu's is a script that fails unless there is one for the running kernel; that of any other
    kernel writes the same types.
    """
    others = sorted(Path("/usr/lib").glob("linux-tools*/**/bpftool"), reverse=True)
    why = "not found"
    for path in _candidates("BPFTOOL", "bpftool", *map(str, others)):
        if _output(path, "version"):
            return path
        why = "does not run"
    error = BuildError(f"vmlinux.h: {_named('BPFTOOL', 'bpftool')}: {why}")
    error.add_note("apt install bpftool")
    raise error


def _numbered() -> Iterator[str]:
    for number in range(_NEWEST_CLANG, OLDEST_CLANG - 1, -1):
        yield f"clang-{number}"


def _candidates(variable: str, *names: str) -> Iterator[str]:
    """Yield the paths of those programs that exist; a variable that is set replaces ``names``."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SBIN])
    given = os.environ.get(variable)
    for name in (given,) if given else names:
        if path := shutil.which(name, path=search):
            yield path


def _named(variable: str, name: str) -> str:
    given = os.environ.get(variable)
    return f"{variable} {excerpt(given)}" if given else name


def _output(*command: str) -> str:
    """Return what a program writes, "" if it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own PATH
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True
        )
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.decode(errors="replace")
