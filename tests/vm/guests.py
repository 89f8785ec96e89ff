"""Guests of one run of the tests: booted two at a time, and the table of what they said."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Any, Final, NamedTuple

from tests.vm import contents, cpio, kernels, machine, modules
from tests.vm.checks import TABLE
from tests.vm.guest import CHECKS
from tests.vm.kernels import Kernel

_AT_ONCE: Final = 2  # each has two processors
_BOOTS: Final = 3  # at most: an emulated processor now and then panics before the first check
_PANIC: Final = "Kernel panic"
_WIDTH: Final = 30  # characters of a cell


class Guest(NamedTuple):
    """A kernel that was booted: the lines of its checks by name, the end of its console, and how long it took."""

    release: str
    lines: Mapping[str, Mapping[str, Any]]
    console: str
    seconds: float


class Guests:
    """Boots the kernels in their order; ``asked`` are the names of the checks of each.

    ``objects`` are the compiled test programs, None if there is no compiler; ``folder`` is for what is made on the way.
    """

    def __init__(self, asked: Mapping[Kernel, Sequence[str]], objects: Path | None, folder: Path) -> None:
        self._asked = asked
        self._objects = objects
        self._folder = folder
        self._writing = Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._futures: dict[Kernel, Future[Guest]] = {kernel: self._pool.submit(self._boot, kernel) for kernel in asked}

    def of(self, kernel: Kernel) -> Guest:
        """Return that kernel's guest once it has ended. Raises Unavailable."""
        return self._futures[kernel].result()

    def close(self) -> None:
        """Boot no more of them."""
        self._pool.shutdown(cancel_futures=True)

    def table(self) -> Iterator[str]:
        """Yield the lines of a table, a row a check and a column a kernel; what is long stands below it."""
        ended = [
            (kernel, future.result())
            for kernel, future in self._futures.items()
            if not future.cancelled() and future.exception() is None
        ]
        notes: dict[str, int] = {}
        rows = [["", *[f"{kernel} ({guest.release})" for kernel, guest in ended]]]
        asked = [check.name for check in TABLE if any(check.name in names for names in self._asked.values())]
        rows += [
            [name, *[_cell(guest, name, notes) if name in self._asked[kernel] else "" for kernel, guest in ended]]
            for name in asked
        ]
        rows.append(["seconds", *[f"{guest.seconds:.0f}" for _, guest in ended]])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]).rstrip()
        for text, number in notes.items():
            yield f"[{number}] {text}"

    def _boot(self, kernel: Kernel) -> Guest:
        fetched = kernels.fetch(kernel)
        with NamedTemporaryFile() as initramfs:  # several archives in a row are one
            with self._initramfs(kernel.arch).open("rb") as common:
                shutil.copyfileobj(common, initramfs)
            config = cpio.copy(fetched.config, f"/{fetched.config.relative_to(fetched.root)}")
            asked = cpio.text(str(CHECKS), "\n".join(self._asked[kernel]))
            cpio.write(initramfs, (config, asked, *modules.entries(fetched)))
            initramfs.flush()
            for _ in range(_BOOTS):
                ran = machine.boot(fetched.image, Path(initramfs.name), kernel.arch)
                if ran.results or _PANIC not in ran.console:
                    break
        return Guest(fetched.release, {line["check"]: line for line in ran.results}, ran.console, ran.seconds)

    def _initramfs(self, arch: str) -> Path:
        """Return what all guests with that processor hold."""
        path = self._folder / f"initramfs-{arch}"
        with self._writing:
            if not path.exists():
                entries = list(contents.entries(arch, self._objects))
                with path.open("wb") as file:
                    cpio.write(file, entries)
        return path


def _cell(guest: Guest, name: str, notes: dict[str, int]) -> str:
    line = guest.lines.get(name)
    if line is None:
        return "not reached"
    if line["outcome"] == "failed":
        return "FAILED"
    told: str = line["told"]
    return told if len(told) <= _WIDTH else f"[{notes.setdefault(told, len(notes) + 1)}]"
