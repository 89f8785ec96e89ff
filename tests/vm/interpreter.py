"""The interpreter of a guest, with busybox and bash: this machine's, or Debian's.

Debian's is used for other processors.
"""

import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from shutil import which
from typing import Final, NamedTuple

from tests.vm import cache, cpio
from tests.vm.apt import Apt
from tests.vm.cpio import Entry

# Debian's names of processors.
HOST: Final = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

_NOT_NEEDED: Final = frozenset(
    {"test", "idlelib", "site-packages", "ensurepip", "tkinter", "lib2to3", "turtledemo"}
)
_SUITE: Final = "trixie"
_PYTHON: Final = "python3.13"  # of that suite
_PACKAGES: Final = (
    *("busybox-static", "bash", "libtinfo6", "libc6"),
    *(f"{_PYTHON}-minimal", f"lib{_PYTHON}-minimal", f"lib{_PYTHON}-stdlib"),
    *(
        "libexpat1",
        "libffi8",
        "libssl3t64",
        "libzstd1",
        "zlib1g",
        "libbz2-1.0",
        "liblzma5",
        "libsqlite3-0",
        "libelf1t64",
        "libbpf-tools",
    ),
)


class Interpreter(NamedTuple):
    """``path`` is its path in the guest; the links to directories come first in ``entries``."""

    path: str
    entries: list[Entry]


def own(others: Iterable[Path], programs: Sequence[Path]) -> Interpreter:
    """Return the running interpreter, ``programs``, and the libraries of these and ``others``."""
    python, bash = Path(sys.executable).resolve(), Path("/bin/bash").resolve()
    busybox = Path(which("busybox") or "").resolve()
    standard = list(below(Path(sysconfig.get_path("stdlib")), _NOT_NEEDED))
    entries = [cpio.copy(path) for path in (python, *standard, *programs)]
    entries += [cpio.copy(busybox, "/bin/busybox"), cpio.copy(bash, "/bin/bash")]
    modules = [path for path in (*standard, *others) if path.suffix == ".so"]
    entries += _libraries([busybox, bash, python, *programs, *modules])
    return Interpreter(str(python), [*entries, cpio.link("/lib/modules", "/usr/lib/modules")])


def foreign(arch: str, tools: Collection[str]) -> Interpreter:
    """Return Debian's for that processor, with ``tools`` of libbpf-tools. Raises Unavailable."""
    with cache.locked() as folder:
        root = folder / "roots" / f"{_SUITE}-{_PYTHON}-{arch}-{len(_PACKAGES)}"
        if not root.exists():
            unfinished = root.with_name(f"{root.name}.new")
            unfinished.mkdir(parents=True, exist_ok=True)
            apt = Apt(folder, (_SUITE,), arch)
            apt.names("linux-")
            apt.unpack_all(_PACKAGES, unfinished)
            unfinished.rename(root)
    entries = [cpio.link(f"/{name}", f"usr/{name}") for name in ("bin", "lib", "sbin")]
    for path in below(root / "usr", _NOT_NEEDED | {"share"}):
        tool, end, _ = path.name.partition("-libbpf")
        if end and tool not in tools:
            continue
        name = f"/{path.relative_to(root)}"
        entries.append(
            cpio.link(name, str(path.readlink())) if path.is_symlink() else cpio.copy(path, name)
        )
    return Interpreter(f"/usr/bin/{_PYTHON}", entries)


def below(root: Path, without: Collection[str] = ()) -> Iterator[Path]:
    """Return the files below a folder, but for folders of those names."""
    for path in sorted(root.iterdir()):
        if path.is_dir() and not path.is_symlink():
            if path.name not in without:
                yield from below(path, without)
        elif path.suffix != ".a" and ".opt-" not in path.name:
            yield path


def _libraries(binaries: Iterable[Path]) -> Iterator[Entry]:
    """Return the shared libraries that they are linked with."""
    told = subprocess.run(
        ["ldd", *map(str, binaries)], check=False, capture_output=True, text=True
    ).stdout
    for path in sorted(set(re.findall(r"(/\S+) \(0x", told))):
        yield cpio.copy(Path(path).resolve(), path)
