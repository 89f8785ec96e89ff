"""What a guest holds: busybox, this interpreter, the packages that beepy needs, this checkout."""

import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Collection, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from shutil import which
from typing import Final

from packaging.requirements import Requirement

from tests.vm import cpio
from tests.vm.cpio import Entry

PROJECT: Final = Path(__file__).resolve().parents[2]
_PARTS: Final = ("beepy", "images", "bpf", "tests")
_NOT_NEEDED: Final = frozenset({"test", "idlelib", "site-packages", "ensurepip", "tkinter", "lib2to3", "turtledemo"})
_TESTED_WITH: Final = ("pytest", "pytest-timeout")

_INIT: Final = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
export PATH=/bin HOME=/root PYTHONPATH=/project:/site PYTHONDONTWRITEBYTECODE=1
cd /project
results=$(sed 's/.*results=\\([^ ]*\\).*/\\1/' /proc/cmdline)
@python@ -m tests.vm.guest >/dev/$results
poweroff -f
"""


def entries(objects: Path | None) -> Iterator[Entry]:
    """Return all files; ``objects`` is the folder of the compiled test programs, None if there is no compiler."""
    python = Path(sys.executable).resolve()
    busybox = which("busybox")
    assert busybox
    yield cpio.text("/init", _INIT.replace("@python@", str(python)), 0o755)
    yield cpio.copy(Path(busybox).resolve(), "/bin/busybox")
    bash = Path("/bin/bash").resolve()
    yield cpio.copy(bash, "/bin/bash")
    yield Entry("/dev/console", 0o20600, device=(5, 1))
    yield from [cpio.folder(path) for path in ("/proc", "/sys", "/tmp", "/root", "/run")]
    yield cpio.link("/lib/modules", "/usr/lib/modules")
    yield cpio.text("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    standard = list(_below(Path(sysconfig.get_path("stdlib")), _NOT_NEEDED))
    packages = list(_packages())
    yield from [cpio.copy(path) for path in (python, *standard)]
    yield from [cpio.copy(path, name) for path, name in packages]
    yield from _libraries(
        [Path(busybox), bash, python, *[path for path in (*standard, *dict(packages)) if path.suffix == ".so"]]
    )
    yield cpio.copy(PROJECT / "pyproject.toml", "/project/pyproject.toml")
    for part in _PARTS:
        for path in _below(PROJECT / part):
            yield cpio.copy(path, f"/project/{path.relative_to(PROJECT)}")
    for path in sorted(objects.iterdir()) if objects else ():
        yield cpio.copy(path, f"/objects/{path.name}")


def _below(root: Path, without: Collection[str] = ()) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.is_dir():
            if path.name not in without:
                yield from _below(path, without)
        elif path.suffix != ".a":
            yield path


def _packages() -> Iterator[tuple[Path, str]]:
    """Return the files of all distributions that are needed, and where they go."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *_TESTED_WITH]
    seen = set[str]()
    while needed:
        requirement = Requirement(needed.pop())
        if requirement.name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(requirement.name)
        found = metadata.distribution(requirement.name)
        needed += found.requires or ()
        for file in found.files or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and path.exists():
                yield path, f"/site/{file}"


def _libraries(binaries: Iterable[Path]) -> Iterator[Entry]:
    """Return the shared libraries that they are linked with."""
    told = subprocess.run(["ldd", *map(str, binaries)], check=False, capture_output=True, text=True).stdout
    for path in sorted(set(re.findall(r"(/\S+) \(0x", told))):
        yield cpio.copy(Path(path).resolve(), path)
