"""Read a table: take snapshots of its keys and values, in batches of a few thousand entries."""

import itertools
import math
import time
from collections.abc import Iterator
from errno import EINVAL, ENOSPC, EOPNOTSUPP
from typing import Final, NamedTuple

from beepy.errors import ENOTSUPP, KernelError
from beepy.events.batch import Batch, Part, Schema
from beepy.events.batch_ops import expand_per_cpu
from beepy.kernel.map import Map
from beepy.log import Log
from beepy.text import safe
from beepy.uapi import MapType

_log = Log(__name__)

_MAX_ENTRIES: Final = 4096  # of a batch; more is not faster
_MAX_BYTES: Final = 1 << 20  # of a batch with large values
_MIN_ENTRIES: Final = 16  # a batch of fewer may not fit a bucket of a hash
_ARRAYS: Final = (MapType.ARRAY, MapType.PERCPU_ARRAY)
_MAX_WALK: Final = 1 << 16  # keys to read at least before giving up on a table that keeps changing
_NO_BATCH: Final = frozenset({EINVAL, EOPNOTSUPP, ENOTSUPP})


class _Chunk(NamedTuple):
    keys: bytes
    values: bytes
    entries: int
    final: bool


class TableReader:
    """Reads ``map_``, which its collection owns.

    Entries are read by BPF_MAP_LOOKUP_BATCH (v5.6; per-CPU arrays v5.13), or key by key if the
    kernel lacks it or ``batched`` is false. The cursor of hashes and arrays is the index of a
    bucket or element, so entries that are added or deleted meanwhile do not make others repeat or
    disappear. The cursor of other types is a key, which may be deleted meanwhile, so those types
    are read key by key.

    If the schema says that reading ``drains`` it, entries are deleted as they are read. Key by key
    (before v5.6), what a program adds to a value between the two is lost.
    """

    def __init__(self, map_: Map, schema: Schema, *, batched: bool = True) -> None:
        self.schema = schema
        self.poll_period_s = math.inf
        self.coalesce_s = 0.0
        self._map = map_
        self._batched = batched
        self._drains = schema.drains
        least = 1 if map_.type in _ARRAYS else min(_MIN_ENTRIES, map_.max_entries)
        self._count = max(least, min(_MAX_ENTRIES, _MAX_BYTES // (map_.key_size + map_.value_span)))
        self._numbers = itertools.count(1)  # of snapshots; several threads may read

    def fileno(self) -> int:
        """Return -1: a table is read on demand, there is nothing to poll."""
        return -1

    def read(self) -> Iterator[Batch]:
        """Yield a snapshot; its last batch is ``final``, and may be empty.

        In a per-CPU table, each CPU's value is a row; integers are summed over all CPUs instead.
        """
        snapshot = next(self._numbers)
        key, span = self._map.key_size, self._map.value_span
        for keys, values, entries, final in self._chunks():
            if entries or final:
                parts = (Part(keys, key, 0), Part(values, span, 0))
                batch = Batch(
                    self.schema,
                    parts,
                    entries,
                    length=span,
                    time_ns=time.time_ns(),
                    snapshot=snapshot,
                    final=final,
                )
                yield expand_per_cpu(batch)

    def end(self) -> Iterator[Batch]:
        """Return no batches: a table loses no events."""
        return iter(())

    def close(self) -> None:
        """Do nothing: a table holds nothing between snapshots."""

    def _chunks(self) -> Iterator[_Chunk]:
        cursor = None
        while self._batched:
            try:
                read = self._map.take_batch if self._drains else self._map.lookup_batch
                keys, values, entries, cursor = read(cursor, self._count)
            except KernelError as error:
                if error.errno == ENOSPC and self._count < self._map.max_entries:
                    self._count *= 2  # a bucket has more entries
                elif error.errno in _NO_BATCH and cursor is None:
                    self._batched = False
                else:
                    raise
                continue
            yield _Chunk(keys, values, entries, cursor is None)
            if cursor is None:
                return
        yield from self._walk()

    def _walk(self) -> Iterator[_Chunk]:
        """Yield all entries, each key once.

        If the previous key has been deleted, the kernel continues with the first one, and keys that
        were read already are skipped. If the table changes too fast for this to end, stop after
        twice its size.
        """
        seen: set[bytes] = set()
        keys: list[bytes] = []
        values: list[bytes] = []
        key = None
        for _ in range(2 * max(self._map.max_entries, _MAX_WALK)):
            key = self._map.next_key(key)
            if key is None:
                break
            if key in seen:
                continue
            seen.add(key)
            value = self._map.lookup(key)
            if value is None:
                continue
            if self._drains:
                self._map.delete(key)
            keys.append(key)
            values.append(value)
            if len(keys) == self._count:
                yield _Chunk(b"".join(keys), b"".join(values), len(keys), final=False)
                keys.clear()
                values.clear()
        else:
            _log.warning(
                "map '%s': changes faster than it is read: %d keys read",
                safe(self._map.name),
                len(seen),
            )
        yield _Chunk(b"".join(keys), b"".join(values), len(keys), final=True)


def keywise_reader(map_: Map, schema: Schema) -> TableReader:
    """Return a reader for a type whose batches have a key as cursor: it reads key by key."""
    return TableReader(map_, schema, batched=False)
