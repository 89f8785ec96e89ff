"""BPF iterators: a program that is run for each of the kernel's objects when somebody reads, and writes what is read.

Text (bpf_seq_printf) is read as lines. What a program writes that only calls bpf_seq_write is binary: it is shown in
hex, one row for each of the kernel's objects. Each reading is a snapshot.
"""

import os
import time
from collections.abc import Iterator, Sequence
from math import inf
from typing import Final

from beepy.errors import KernelError, TargetError
from beepy.events import text_lines
from beepy.events.batch import Batch, Part, Schema
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.insn import CALL, Insn
from beepy.obj.spec import CollectionSpec
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import HELPERS

_log = Log(__name__)

_OF_MAPS: Final = ("bpf_map_elem", "bpf_sk_storage_map")
_CHUNK: Final = 1 << 16  # bytes of a read, and of a batch at most
_ROWS: Final = 64  # of a batch in hex; the kernel takes 32 KiB of an object at most
_WRITES_BYTES: Final = HELPERS.index("seq_write")
_WRITES_TEXT: Final = frozenset({HELPERS.index("seq_printf"), HELPERS.index("seq_printf_btf")})


def attach(program: Program, target: Target) -> Link:
    """Make the iterator KIND, or KIND/MAP for one that goes over a map, of the process --pid if one was given.

    Raises AttachError.
    """
    kind, _, name = target.name.partition("/")
    where = f"program '{safe(program.name)}': iterator '{safe(target.name)}'"
    if kind in _OF_MAPS and name not in target.maps:
        known = ", ".join(map(safe, target.maps)) or "none"
        raise TargetError(f"{where}: expected {kind}/MAP, where MAP is one of the object's: {known}", program.name)
    map_fd = target.maps[name].fd.fileno() if kind in _OF_MAPS else 0
    return link.iterator(program, map_fd=map_fd, pid=target.pid or 0)


def reader(program: Program, target: Target, spec: CollectionSpec) -> "IterReader":
    """Return what reads the iterator of a program of ``spec``."""
    binary = any(writes_binary(one.insns) for one in spec.programs if one.name == program.name)
    if binary:
        _log.warning("program '%s': writes binary data (bpf_seq_write): shown in hex", safe(program.name))
    return IterReader(program, target, spec.name, binary=binary)


def writes_binary(insns: Sequence[Insn]) -> bool:
    """Tell whether a program, its subprograms included, writes bytes and never text."""
    called = {insn.imm for insn in insns if insn.code == CALL and insn.src == 0}
    return _WRITES_BYTES in called and not called & _WRITES_TEXT


class IterReader:
    """Reads an iterator of its own of ``program``, which stays its collection's."""

    def __init__(self, program: Program, target: Target, image: str, *, binary: bool) -> None:
        self.schema: Schema = text_lines.schema(image, program.name, "hex" if binary else "line")
        self.coalesce_s = 0.0
        self.poll_period_s = inf
        self._program = program
        self._target = target
        self._rows = self._objects if binary else self._lines
        self._snapshot = 0

    def fileno(self) -> int:
        """Return -1: an iterator is read on demand."""
        return -1

    def read(self) -> Iterator[Batch]:
        """Give all rows as a snapshot; its last batch is ``final``. Raises AttachError, KernelError."""
        self._snapshot += 1
        with attach(self._program, self._target) as made, link.open_iter(made, self._program) as output:
            for rows in self._rows(output):
                yield self._batch(rows, final=False)
        yield self._batch([], final=True)

    def _lines(self, output: Fd) -> Iterator[list[bytes]]:
        rest = b""
        while chunk := self._chunk(output, _CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            *full, rest = text_lines.cut(rest)  # of a line that has not ended
            yield [*whole, *full]
        if rest:
            yield [rest]

    def _objects(self, output: Fd) -> Iterator[list[bytes]]:
        """Return in hex what is written for each object.

        A read of one byte runs the program until something is written (bpf_seq_read stops when it has as much as was
        asked for), and the next read gives the rest of that, and nothing else. Only after an object of a single byte
        the next read goes on to further objects, which share its row.
        """
        rows = []
        while first := self._chunk(output, 1):
            rows.append((first + self._chunk(output, _CHUNK)).hex().encode())
            if len(rows) == _ROWS:
                yield rows
                rows = []
        if rows:
            yield rows

    def end(self) -> Iterator[Batch]:
        """Return nothing: an iterator loses nothing."""
        return iter(())

    def close(self) -> None:
        """Do nothing: an iterator lives as long as it is read."""

    def _batch(self, rows: Sequence[bytes], *, final: bool) -> Batch:
        records = [piece for row in rows for piece in text_lines.pieces(row)]
        part = Part(b"".join(records), text_lines.LENGTH, 0)
        return Batch(
            self.schema,
            (part,),
            len(records),
            length=text_lines.LENGTH,
            time_ns=time.time_ns(),
            lost=0,
            snapshot=self._snapshot,
            final=final,
        )

    def _chunk(self, output: Fd, size: int) -> bytes:
        """Return what the program writes next, ``size`` bytes at most, nothing at the end.

        The kernel gives up a reading in which it has shown the program 1,000,000 objects without a byte written
        (EAGAIN); the next one goes on where that ended (e679654a704e, "bpf: Fix a rcu_sched stall issue with
        bpf task/task_file iterator").
        """
        while True:
            try:
                return os.read(output.fileno(), size)
            except BlockingIOError:
                continue
            except OSError as error:
                number = error.errno or 0
                where = f"program '{safe(self._program.name)}': iterate: read"
                raise KernelError.of(where, number) from None
