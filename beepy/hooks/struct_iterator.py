"""BPF iterators that write structs: several programs may write those of one iterator.

The sockets of TCP and UDP are those of one network namespace: such a program is run once in each.
"""

import itertools
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Final

from beepy.btf.layout import size_of
from beepy.errors import KernelError
from beepy.events import schemas
from beepy.events.batch import Batch, Part, Schema
from beepy.hooks import iterator
from beepy.hooks.target import Target
from beepy.kernel import link, netns
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj.spec import CollectionSpec
from beepy.sys.fd import Fd
from beepy.text import safe

_log = Log(__name__)

_OF_NAMESPACES: Final = frozenset(("tcp", "udp"))
_MAX_NAMESPACES: Final = 4096


def reader(program: Program, target: Target, spec: CollectionSpec) -> "StructReader | None":
    """Return a reader of the iterator that ``program`` writes records of.

    Return None if there is one already, which then reads this program, too.
    """
    record = spec.iterator_records[program.name]
    assert target.shared is not None, "the collection shares it between programs"
    key = f"iterator {record.name}"
    known = target.shared.get(key)
    if isinstance(known, StructReader) and not known.reads(program.name):
        known.add(program, target)
        return None
    target.shared[key] = struct_reader = StructReader(schemas.of_iterator(spec, record))
    struct_reader.add(program, target)
    return struct_reader


class StructReader:
    """Reads the records of all programs of an iterator, by new iterators for each snapshot."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.coalesce_s = 0.0
        self.poll_period_s = inf
        self._size = size_of(schema.btf, schema.record)
        self._programs: list[tuple[Program, Target]] = []
        self._numbers = itertools.count(1)  # of snapshots; several threads may read

    def reads(self, name: str) -> bool:
        """Tell whether it reads the output of the program of that name."""
        return any(program.name == name for program, _ in self._programs)

    def add(self, program: Program, target: Target) -> None:
        """Read the output of this program, too; the reader does not own it."""
        self._programs.append((program, target))

    def fileno(self) -> int:
        """Return -1: an iterator is read on demand."""
        return -1

    def read(self) -> Iterator[Batch]:
        """Yield all records as one snapshot; its last batch is ``final``.

        Raises AttachError, KernelError.
        """
        snapshot = next(self._numbers)
        for program, target in self._programs:
            with iterator.attach(program, target) as attached:
                if target.name in _OF_NAMESPACES:
                    outputs = _in_each_namespace(attached, program)
                else:
                    outputs = iter((link.open_iter(attached, program),))
                for output in outputs:
                    with output:
                        yield from self._records(program, output, snapshot)
        yield self._batch(b"", snapshot, final=True)

    def end(self) -> Iterator[Batch]:
        """Return no batches: an iterator has no lost events to report."""
        return iter(())

    def close(self) -> None:
        """Do nothing: the iterators of a snapshot are closed once they are read."""

    def _records(self, program: Program, output: Fd, snapshot: int) -> Iterator[Batch]:
        rest = b""
        while chunk := iterator.chunk_of(program, output, iterator.CHUNK):
            raw = rest + chunk
            whole = len(raw) // self._size * self._size
            rest = raw[whole:]
            if whole:
                yield self._batch(raw[:whole], snapshot, final=False)
        if rest:
            where = f"program '{safe(program.name)}': iterate"
            raise KernelError(
                f"{where}: {len(rest)} bytes at the end: expected records of {self._size} bytes"
            )

    def _batch(self, raw: bytes, snapshot: int, *, final: bool) -> Batch:
        return Batch(
            self.schema,
            (Part(raw, self._size, 0),),
            len(raw) // self._size,
            length=self._size,
            time_ns=time.time_ns(),
            lost=0,
            snapshot=snapshot,
            final=final,
        )


def _in_each_namespace(attached: link.Link, program: Program) -> Iterator[Fd]:
    """Yield an output for each network namespace that a process is in; the caller closes them.

    The iterator takes its namespace when it is opened. One that cannot be entered is reported.
    """
    seen: set[str] = set()
    for path in (Path("/proc/self/ns/net"), *Path("/proc").glob("[0-9]*/ns/net")):
        try:
            namespace = netns.open_namespace(str(path))
        except KernelError:  # the process has ended
            continue
        with namespace:
            name = netns.identity(namespace)
            if name in seen or len(seen) == _MAX_NAMESPACES:
                continue
            seen.add(name)
            try:
                with netns.entered(namespace):
                    output = link.open_iter(attached, program)
            except KernelError as error:
                _log.warning("iterator '%s': a namespace left out: %s", safe(program.name), error)
                continue
            yield output
