"""TABLE: the kernels that are booted; each is fetched through apt once, and again when a week is over."""

import re
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.vm import cache
from tests.vm.apt import Apt, Unavailable

_WEEK: Final = 7 * 24 * 3600  # seconds
_NAME: Final = re.compile(r"linux-(?:image|binary)-(\d+\.[\w.+~]*(?:-\d+)?)-(\w+)")


class Kernel(NamedTuple):
    """Debian's newest kernel in ``suites`` whose version begins with ``version``; ``arch`` is Debian's word."""

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
)


class Fetched(NamedTuple):
    """A kernel on this disk: ``version`` is the package's, ``image`` what a boot loader is given."""

    version: str
    image: Path


def fetch(kernel: Kernel) -> Fetched:
    """Return the kernel, from the mirror if it is not here. Raises Unavailable with the reason."""
    with cache.locked() as folder:
        current = folder / "current" / kernel.name
        known = current.read_text() if current.exists() else ""
        if not known or time.time() - current.stat().st_mtime > _WEEK:
            try:
                known = _newest(kernel, folder)
            except Unavailable:
                if not known:
                    raise
            else:
                current.parent.mkdir(exist_ok=True)
                current.write_text(known)
        return Fetched(known, folder / "kernels" / f"{known}-{kernel.arch}" / "vmlinuz")


def _newest(kernel: Kernel, folder: Path) -> str:
    """Return the newest version, whose image is here then."""
    apt = Apt(folder, kernel.suites, kernel.arch)
    matches = [match for name in apt.names("linux-") if (match := _NAME.fullmatch(name))]
    packages = {
        match[1]: match[0] for match in matches if match[2] == kernel.arch and match[1].startswith(kernel.version)
    }
    if not packages:
        raise Unavailable(f"no kernel {kernel.version} in {', '.join(kernel.suites)}")
    # since 6.19 linux-image is empty and depends on linux-binary
    packages |= {
        match[1]: match[0] for match in matches if match[1] in packages and match[0].startswith("linux-binary-")
    }
    version = max(packages, key=_ordered)
    target = folder / "kernels" / f"{version}-{kernel.arch}"
    if not (target / "vmlinuz").exists():
        target.mkdir(parents=True, exist_ok=True)
        apt.unpack(packages[version], _wanted, target)
        if not (target / "vmlinuz").exists():
            raise Unavailable(f"{packages[version]}: holds no kernel")
    return version


def _wanted(path: str) -> str | None:
    name = path.rpartition("/")[2]
    return next((wanted for wanted in ("vmlinuz", "config") if name == wanted or name.startswith(f"{wanted}-")), None)


def _ordered(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
