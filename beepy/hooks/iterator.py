"""BPF iterators: a program that is run for each of the kernel's objects when somebody reads, and writes what is read.

The output is text (bpf_seq_printf), read as lines; each reading is a snapshot.
"""

import os
import time
from collections.abc import Iterator
from math import inf
from typing import Final

from beepy.errors import AttachError, KernelError
from beepy.events import lines
from beepy.events.batch import Batch, Part, Schema
from beepy.hooks.target import Target
from beepy.kernel import link, syscall
from beepy.kernel.fd import Fd
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe

_OF_MAPS: Final = ("bpf_map_elem", "bpf_sk_storage_map")
_CHUNK: Final = 1 << 16  # bytes of a read, and of a batch at most


def attach(program: Program, target: Target) -> Link:
    """Make the iterator KIND, or KIND/MAP for one that goes over a map, of the process --pid if one was given.

    Raises AttachError.
    """
    kind, _, name = target.name.partition("/")
    where = f"program '{safe(program.name)}': iterator '{safe(target.name)}'"
    if kind in _OF_MAPS and name not in target.maps:
        known = ", ".join(map(safe, target.maps)) or "none"
        raise AttachError(f"{where}: expected {kind}/MAP, where MAP is one of the object's: {known}")
    map_fd = target.maps[name].fd.fileno() if kind in _OF_MAPS else 0
    return link.iterator(program, map_fd=map_fd, pid=target.pid or 0)


def reader(program: Program, target: Target, image: str) -> "IterReader":
    """Return what reads the iterator of a program."""
    return IterReader(program, target, image)


class IterReader:
    """Reads an iterator of its own of ``program``, which stays its collection's."""

    def __init__(self, program: Program, target: Target, image: str) -> None:
        self.schema: Schema = lines.schema(image, program.name)
        self.window = 0.0
        self.patience = inf
        self._program = program
        self._target = target
        self._snapshot = 0

    def fileno(self) -> int:
        """Return -1: an iterator is read on demand."""
        return -1

    def read(self) -> Iterator[Batch]:
        """Give all lines as a snapshot; its last batch is ``final``. Raises AttachError, KernelError."""
        self._snapshot += 1
        rest = b""
        with attach(self._program, self._target) as made, link.iterate(made, self._program) as output:
            while chunk := self._chunk(output):
                *whole, rest = (rest + chunk).split(b"\n")
                *full, rest = lines.cut(rest)  # of a line that has not ended
                yield self._batch([*whole, *full], final=False)
        yield self._batch([rest] if rest else [], final=True)

    def end(self) -> Iterator[Batch]:
        """Return nothing: an iterator loses nothing."""
        return iter(())

    def close(self) -> None:
        """Do nothing: an iterator lives as long as it is read."""

    def _batch(self, whole: list[bytes], *, final: bool) -> Batch:
        records = [piece for line in whole for piece in lines.pieces(line)]
        part = Part(b"".join(records), lines.LENGTH, 0)
        return Batch(
            self.schema,
            (part,),
            len(records),
            length=lines.LENGTH,
            time_ns=time.time_ns(),
            lost=0,
            snapshot=self._snapshot,
            final=final,
        )

    def _chunk(self, output: Fd) -> bytes:
        """Return what the program writes next, nothing at the end.

        The kernel gives up a reading in which it has shown the program 1,000,000 objects without a byte written
        (EAGAIN); the next one goes on where that ended (e679654a704e, "bpf: Fix a rcu_sched stall issue with
        bpf task/task_file iterator").
        """
        while True:
            try:
                return os.read(output.fileno(), _CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:
                number = error.errno or 0
                where = f"program '{safe(self._program.name)}': iterate: read"
                raise KernelError(f"{where}: {syscall.reason(number)}", number) from None
