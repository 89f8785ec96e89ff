"""The files of a guest.

busybox, this interpreter, the packages that beepy needs, this checkout, and Debian's tools.
"""

import compileall
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from tests.support import bundle
from tests.vm import cpio, interpreter
from tests.vm.checks import beside
from tests.vm.cpio import Entry

PROJECT: Final = Path(__file__).resolve().parents[2]
_PARTS: Final = ("beepy", "images", "bpf", "tests")

_INIT: Final = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
for module in /modules/*; do insmod $module; done
export PATH=/bin HOME=/root PYTHONPATH=/project:/site
cd /project
results=$(sed 's/.*results=\\([^ ]*\\).*/\\1/' /proc/cmdline)
@python@ -m tests.vm.guest >/dev/$results
poweroff -f
"""


def entries(arch: str, objects: Path | None) -> Iterator[Entry]:
    """Return all files; ``objects`` is a folder of compiled programs, None if there is no compiler.

    Raises Unavailable where the guest's processor is another one, and its interpreter is not to be
    had.
    """
    packages = dict(_packages())
    tools = [path for name in beside.NAMES if (path := beside.place(name))]
    tools += [bundle.CRUN] if bundle.CRUN.exists() else []
    python = (
        interpreter.own(packages, tools)
        if arch == interpreter.HOST
        else interpreter.foreign(arch, beside.NAMES)
    )
    yield from python.entries
    yield cpio.text("/init", _INIT.replace("@python@", python.path), 0o755)
    yield Entry("/dev/console", 0o20600, device=(5, 1))
    yield from [cpio.folder(path) for path in ("/proc", "/sys", "/tmp", "/root", "/run")]
    yield cpio.text("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    yield from [cpio.copy(path, name) for path, name in packages.items()]
    for part in _PARTS:
        # An emulated processor takes ten times as long for it.
        compileall.compile_dir(PROJECT / part, quiet=2)
        for path in interpreter.below(PROJECT / part):
            yield cpio.copy(path, f"/project/{path.relative_to(PROJECT)}")
    if objects:
        for path in interpreter.below(objects):
            yield cpio.copy(path, f"/objects/{path.relative_to(objects)}")


def _packages() -> Iterator[tuple[Path, str]]:
    """Return the files of all distributions that are needed, and where they go."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    needed = list(project["dependencies"])
    seen = set[str]()
    while needed:
        requirement = Requirement(needed.pop())
        if requirement.name in seen or (
            requirement.marker and not requirement.marker.evaluate({"extra": ""})
        ):
            continue
        seen.add(requirement.name)
        found = metadata.distribution(requirement.name)
        needed += found.requires or ()
        for file in found.files or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and path.exists():
                yield path, f"/site/{file}"
