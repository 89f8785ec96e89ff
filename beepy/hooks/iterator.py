"""BPF iterators: reading one runs its program for each object of the kernel and gives its output.

Text (bpf_seq_printf) is read as lines. The output of a program that calls bpf_seq_write only is
binary: it is shown in hex, one row for each object, unless its type is known (see
``struct_iterator``). Each reading is a snapshot.
"""

import itertools
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

_OVER_MAPS: Final = ("bpf_map_elem", "bpf_sk_storage_map")
CHUNK: Final = 1 << 16
"""Bytes of a read, and the most of a batch."""

_ROWS: Final = 64  # of a batch in hex; the kernel takes at most 32 KiB for one object
_WRITES_BYTES: Final = HELPERS.index("seq_write")
_WRITES_TEXT: Final = frozenset({HELPERS.index("seq_printf"), HELPERS.index("seq_printf_btf")})


def attach(program: Program, target: Target) -> Link:
    """Make the iterator KIND, or KIND/MAP for one over a map; --pid restricts it to one process.

    Raises AttachError.
    """
    kind, _, name = target.name.partition("/")
    where = f"program '{safe(program.name)}': iterator '{safe(target.name)}'"
    if kind in _OVER_MAPS and name not in target.maps:
        names = ", ".join(map(safe, target.maps)) or "none"
        why = f"expected {kind}/MAP, where MAP is one of the object's maps: {names}"
        raise TargetError(f"{where}: {why}", program.name)
    map_fd = target.maps[name].fd.fileno() if kind in _OVER_MAPS else 0
    return link.iterator(program, map_fd=map_fd, pid=target.pid or 0)


def reader(program: Program, target: Target, spec: CollectionSpec) -> "IterReader":
    """Return a reader of the iterator of ``program``, which is one of ``spec``."""
    specs = [candidate for candidate in spec.programs if candidate.name == program.name]
    binary = any(writes_binary(program_spec.insns) for program_spec in specs)
    if binary:
        name = safe(program.name)
        _log.warning("program '%s': writes binary data (bpf_seq_write): shown in hex", name)
    return IterReader(program, target, spec.name, binary=binary)


def writes_binary(insns: Sequence[Insn]) -> bool:
    """Tell whether a program and its subprograms write bytes and never text."""
    called = {insn.imm for insn in insns if insn.code == CALL and insn.src == 0}
    return _WRITES_BYTES in called and not called & _WRITES_TEXT


class IterReader:
    """Reads a program's output, by a new iterator for each snapshot; does not own the program."""

    def __init__(self, program: Program, target: Target, image: str, *, binary: bool) -> None:
        self.schema: Schema = text_lines.schema(image, program.name, "hex" if binary else "line")
        self.coalesce_s = 0.0
        self.poll_period_s = inf
        self._program = program
        self._target = target
        self._rows = self._objects if binary else self._lines
        self._numbers = itertools.count(1)  # of snapshots; several threads may read

    def fileno(self) -> int:
        """Return -1: an iterator is read on demand."""
        return -1

    def read(self) -> Iterator[Batch]:
        """Yield all rows as one snapshot; its last batch is ``final``.

        Raises AttachError, KernelError.
        """
        snapshot = next(self._numbers)
        with (
            attach(self._program, self._target) as iterator,
            link.open_iter(iterator, self._program) as output,
        ):
            for rows in self._rows(output):
                yield self._batch(rows, snapshot, final=False)
        yield self._batch([], snapshot, final=True)

    def _lines(self, output: Fd) -> Iterator[list[bytes]]:
        rest = b""
        while chunk := self._chunk(output, CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            # A line that has not ended yet is kept, but for the full pieces that it already has.
            *full, rest = text_lines.cut(rest)
            yield [*whole, *full]
        if rest:
            yield [rest]

    def _objects(self, output: Fd) -> Iterator[list[bytes]]:
        """Yield the output for each object in hex.

        A read of one byte runs the program until it has written something: bpf_seq_read stops once
        it has as many bytes as were asked for. The next read returns the rest of that output and
        no more. After an object of one byte, the next read continues with further objects; they
        share its row.
        """
        rows = []
        while first := self._chunk(output, 1):
            rest = self._chunk(output, CHUNK)
            rows.append((first + rest).hex().encode())
            if len(rows) == _ROWS:
                yield rows
                rows = []
        if rows:
            yield rows

    def end(self) -> Iterator[Batch]:
        """Return no batches: an iterator has no lost events to report."""
        return iter(())

    def close(self) -> None:
        """Do nothing: the iterator of a snapshot is closed once it is read."""

    def _batch(self, rows: Sequence[bytes], snapshot: int, *, final: bool) -> Batch:
        records = [piece for row in rows for piece in text_lines.pieces(row)]
        part = Part(b"".join(records), text_lines.LENGTH, 0)
        return Batch(
            self.schema,
            (part,),
            len(records),
            length=text_lines.LENGTH,
            time_ns=time.time_ns(),
            lost=0,
            snapshot=snapshot,
            final=final,
        )

    def _chunk(self, output: Fd, size: int) -> bytes:
        return chunk_of(self._program, output, size)


def chunk_of(program: Program, output: Fd, size: int) -> bytes:
    """Return the next output of the program, at most ``size`` bytes, b"" at the end.

    The kernel ends a read with EAGAIN after 1,000,000 objects for which the program wrote
    nothing; the next read continues there (e679654a704e, "bpf: Fix a rcu_sched stall issue with
    bpf task/task_file iterator"). Raises KernelError.
    """
    while True:
        try:
            return os.read(output.fileno(), size)
        except BlockingIOError:
            continue
        except OSError as error:
            where = f"program '{safe(program.name)}': iterate: read"
            raise KernelError.of(where, error) from None
