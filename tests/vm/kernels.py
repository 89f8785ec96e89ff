"""TABLE: the kernels that are booted; apt fetches each once, and again after a week."""

import re
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.vm import cache
from tests.vm.apt import Apt, Unavailable

# since 6.19 the image is in linux-binary, its configuration in linux-base, and modules have a
# package of their own
_NAME: Final = re.compile(
    r"linux-(?P<kind>image|binary|base|modules)-(?P<version>\d+\.[\w.+~]*(?:-\d+)?)-(?P<arch>\w+)"
)

MODULES: Final = ("veth", "sch_ingress", "cls_bpf")
"""Modules that guests need and the kernel image lacks: veth, and tc with BPF programs."""

_WANTED: Final = re.compile(rf"(vmlinuz|config)(-.*)?|({'|'.join(MODULES)})\.ko(\.xz|\.zst)?")
_FOLDER: Final = "kernels-with-modules"


class Kernel(NamedTuple):
    """Debian's newest kernel in ``suites`` of this ``version`` prefix; ``arch`` as Debian's."""

    name: str
    suites: tuple[str, ...]
    version: str = ""
    arch: str = "amd64"

    def __str__(self) -> str:
        return self.name


TABLE: Final = (
    Kernel("5.10", ("bullseye",), "5.10."),
    Kernel("6.1", ("bookworm",), "6.1."),
    Kernel("6.12", ("trixie",), "6.12."),
    Kernel("newest", ("sid", "trixie-backports")),
    Kernel("6.12 arm64", ("trixie",), "6.12.", "arm64"),
)

HERE: Final = Kernel("host", ())
"""The kernel that the tests run on."""


class Fetched(NamedTuple):
    """A kernel on this disk: ``release`` is uname's; below ``root`` are its packages' files."""

    release: str
    root: Path

    @property
    def image(self) -> Path:
        """What a boot loader is given."""
        return next(self.root.rglob("vmlinuz*"))

    @property
    def config(self) -> Path:
        """How it was configured."""
        return next(self.root.rglob("config*"))

    @property
    def modules(self) -> dict[str, Path]:
        """Its modules, by name."""
        return {path.name.partition(".")[0]: path for path in sorted(self.root.rglob("*.ko*"))}


def fetch(kernel: Kernel) -> Fetched:
    """Return the kernel, from the mirror if it is not here. Raises Unavailable with the reason."""
    with cache.locked() as folder:
        current = folder / _FOLDER / "current" / kernel.name
        known = current.read_text() if current.exists() else ""
        if not known or time.time() - current.stat().st_mtime > cache.WEEK:
            try:
                known = _newest(kernel, folder)
            except Unavailable:
                if not known:
                    raise
            else:
                current.parent.mkdir(parents=True, exist_ok=True)
                current.write_text(known)
    return Fetched(known, folder / _FOLDER / known)


def _newest(kernel: Kernel, folder: Path) -> str:
    """Return the release of the newest one, which is here then."""
    apt = Apt(folder, kernel.suites, kernel.arch)
    found = [
        match
        for name in apt.names("linux-")
        if (match := _NAME.fullmatch(name)) and match["arch"] == kernel.arch
    ]
    versions = {
        match["version"]
        for match in found
        if match["kind"] == "image" and match["version"].startswith(kernel.version)
    }
    if not versions:
        raise Unavailable(f"no kernel {kernel.version} in {', '.join(kernel.suites)}")
    version = max(versions, key=_ordered)
    release = f"{version}-{kernel.arch}"
    target = folder / _FOLDER / release
    if not target.exists():
        unfinished = target.with_name(f"{release}.new")
        for match in found:
            if match["version"] == version:
                apt.unpack(match[0], _wanted, unfinished)
        unfinished.rename(target)
    return release


def _wanted(path: str) -> bool:
    return _WANTED.fullmatch(path.rpartition("/")[2]) is not None


def _ordered(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
