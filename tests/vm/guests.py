"""Guests of one run of the tests: booted two at a time, and the table of what they said."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Any, Final, NamedTuple

from tests.vm import contents, cpio, here, kernels, kinds, machine, modules
from tests.vm.checks import TABLE
from tests.vm.guest import CHECKS
from tests.vm.kernels import Fetched, Kernel
from tests.vm.machine import Ran

_AT_ONCE: Final = 2  # each has two processors
# At most: now and then an emulated processor misses what another has patched, and panics or hangs.
_BOOTS: Final = 3
_PANIC: Final = "Kernel panic"
_WIDTH: Final = 30  # characters of a cell


class Guest(NamedTuple):
    """A booted kernel: ``lines`` of its checks by name, the end of its console, its run time.

    Processors ``worked`` so many seconds for it.
    """

    release: str
    lines: Mapping[str, Mapping[str, Any]]
    console: str
    seconds: float
    worked: float


class Guests:
    """Boots the kernels in their order; ``asked`` are the names of the checks of each.

    ``objects`` are the compiled programs, None if there is no compiler; ``folder`` is for what is
    made on the way. Each may ``work`` so long, see ``machine``.
    """

    def __init__(
        self,
        asked: Mapping[Kernel, Sequence[str]],
        objects: Path | None,
        folder: Path,
        *,
        work: float = machine.WORK,
    ) -> None:
        self._asked = asked
        self._objects = objects
        self._folder = folder
        self._work = work
        self._writing = Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._futures: dict[Kernel, Future[Guest]] = {
            kernel: self._pool.submit(self._boot, kernel) for kernel in asked
        }

    def of(self, kernel: Kernel) -> Guest:
        """Return that kernel's guest once it has ended. Raises Unavailable."""
        return self._futures[kernel].result()

    def close(self) -> None:
        """Boot no more of them."""
        self._pool.shutdown(cancel_futures=True)

    def checks(self) -> Iterator[str]:
        """Yield a table, a row per check, a column per guest; the ways to attach are apart."""
        ended = {
            kernel: guest for kernel, guest in self._ended().items() if kernel is not kernels.HERE
        }
        asked = [
            check.name
            for check in TABLE
            if any(check.name in self._asked[kernel] for kernel in ended)
        ]
        shown = [name for name in asked if name not in kinds.CHECKS]
        rows = [
            [name, *[self._cell(kernel, guest, name) for kernel, guest in ended.items()]]
            for name in shown
        ]
        if not rows:
            return
        rows.append(
            [
                "seconds",
                *[f"{guest.seconds:.0f}, work {guest.worked:.0f}" for guest in ended.values()],
            ]
        )
        yield from _lines(
            ["", *[f"{kernel} ({guest.release})" for kernel, guest in ended.items()]], rows
        )

    def kinds(self) -> Iterator[str]:
        """Yield the lines of a table, a row a way to attach and a column a kernel."""
        ended = self._ended()
        asked = {name for names in self._asked.values() for name in names}
        rows = [
            [kind, *[self._cell(kernel, guest, check) for kernel, guest in ended.items()]]
            for kind, check in kinds.shown()
            if check in asked
        ]
        if rows:
            yield from _lines(
                ["", *[f"{kernel} ({guest.release})" for kernel, guest in ended.items()]], rows
            )

    def _ended(self) -> dict[Kernel, Guest]:
        """Return the guests that there are, in the order of the kernels."""
        return {
            kernel: future.result()
            for kernel in (kernels.HERE, *kernels.TABLE)
            if (future := self._futures.get(kernel))
            and not future.cancelled()
            and future.exception() is None
        }

    def _cell(self, kernel: Kernel, guest: Guest, name: str) -> str:
        if name not in self._asked[kernel]:
            return ""
        line = guest.lines.get(name)
        if line is None:
            return "not reached"
        return "FAILED" if line["outcome"] == "failed" else str(line["told"])

    def _boot(self, kernel: Kernel) -> Guest:
        if kernel is kernels.HERE:
            return _guest(
                os.uname().release, [here.run(self._asked[kernel], self._objects, self._folder)]
            )
        fetched = kernels.fetch(kernel)
        runs: list[Ran] = []
        left = list(self._asked[kernel])
        while left and len(runs) < _BOOTS:
            ran = self._run(kernel, fetched, left)
            runs.append(ran)
            done = {line["check"] for line in ran.results}
            left = [name for name in left if name not in done]
            if _PANIC not in ran.console:
                break
        return _guest(fetched.release, runs)

    def _run(self, kernel: Kernel, fetched: Fetched, asked: Sequence[str]) -> Ran:
        with NamedTemporaryFile() as initramfs:  # several archives in a row are one
            with self._initramfs(kernel.arch).open("rb") as common:
                shutil.copyfileobj(common, initramfs)
            config = cpio.copy(fetched.config, f"/{fetched.config.relative_to(fetched.root)}")
            names = cpio.text(str(CHECKS), "\n".join(asked))
            cpio.write(initramfs, (config, names, *modules.entries(fetched)))
            initramfs.flush()
            return machine.boot(fetched.image, Path(initramfs.name), kernel.arch, self._work)

    def _initramfs(self, arch: str) -> Path:
        """Return what all guests with that processor hold."""
        path = self._folder / f"initramfs-{arch}"
        with self._writing:
            if not path.exists():
                entries = list(contents.entries(arch, self._objects))
                with path.open("wb") as file:
                    cpio.write(file, entries)
        return path


def _guest(release: str, runs: Sequence[Ran]) -> Guest:
    """Return what all boots of a kernel showed."""
    lines = {line["check"]: line for ran in runs for line in ran.results}
    console = "\n".join([ran.console for ran in runs])
    return Guest(
        release,
        lines,
        console,
        sum([ran.seconds for ran in runs]),
        sum([ran.worked for ran in runs]),
    )


def _lines(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Yield the lines of a table; long texts are below it, once each."""
    notes: dict[str, int] = {}
    short = [
        [
            cell if len(cell) <= _WIDTH else f"[{notes.setdefault(cell, len(notes) + 1)}]"
            for cell in row
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *short, strict=True)]
    for row in (head, *short):
        yield "  ".join(
            [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        ).rstrip()
    for text, number in notes.items():
        yield f"[{number}] {text}"
