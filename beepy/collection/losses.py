"""What the programs of a collection count as lost, by map, or by call where no map is known."""

from collections.abc import Callable
from functools import partial

from beepy.collection.collection import Collection
from beepy.collection.missed import missed
from beepy.events.batch import Schema, total_lost
from beepy.events.stats import RunStats
from beepy.maps.counted import CountedReader
from beepy.maps.slots import Slots
from beepy.rewrite import losses

Total = Callable[[], int]
"""Returns how many events were lost so far."""


class Losses:
    """Reads the counters of ``collection``, which was loaded with ``count_losses`` or without.

    ``tables`` and ``rings`` are those that are shown; a table's map may have another name than its
    schema.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._missed: dict[str, int] = {}
        self._forms = collection.forms
        counted = self._forms.counted if self._forms else None
        self._sites = counted.sites if counted else ()
        self.tables: list[tuple[str, Schema]] = []
        self.rings: list[CountedReader] = []
        self._reported: dict[Schema | int, int] = {}
        self._image = collection.spec.name
        self._evicting = counted.evicting if counted else ()
        uncounted = [name for name in collection.programs if counted and name in self._uncounted()]
        self._unknown = losses.unknown_maps(counted, uncounted) if counted else frozenset()
        # others may write to maps that were pinned before
        self._unknown |= {m.name for m in collection.spec.maps if m.name not in collection.created}
        counters = collection.maps.get(losses.MAP) if counted and counted.counting else None
        self._slots = Slots(counters) if counters else None

    def of_map(self, name: str) -> Total | None:
        """Return the losses of a map, None if they are not known."""
        if not self._forms or name in self._unknown:
            return None
        return self._total([slot for slot, site in enumerate(self._sites) if site.map == name])

    def count(self, stats: RunStats) -> None:
        """Add to ``stats`` what batches do not carry: losses of tables, and of unknown maps."""
        for name, schema in self.tables:
            if name in self._evicting:
                stats.evicting.add(schema)
            elif any(site.map == name for site in self._sites):
                total = self.of_map(name)
                before = stats.lost.get(schema, 0)
                stats.lost[schema] = total_lost(before, self._new(schema, total) if total else None)
        for ring in self.rings:
            if use := ring.use():
                stats.rings[ring.schema] = use
        for slot, site in enumerate(self._sites):
            if not site.map and site.program not in self._uncounted():
                where = self._image, site.place
                new = self._new(slot, self._total([slot]))
                stats.lost_at[where] = stats.lost_at.get(where, 0) + new

    def count_missed(self, stats: RunStats) -> None:
        """Set the runs of attached programs that the kernel skipped."""
        for program, now in missed(self._collection).items():
            where = self._image, program
            before = stats.missed.get(where, 0)
            new = None if now is None else now - self._missed.get(program, 0)
            self._missed[program] = now or 0
            stats.missed[where] = total_lost(before, new)

    def _new(self, of: Schema | int, total: Total) -> int:
        """Return the losses of a table or slot that no call has returned before."""
        now = total()
        before, self._reported[of] = self._reported.get(of, 0), now
        return now - before

    def close(self) -> None:
        """Unmap the counters."""
        if self._slots:
            self._slots.close()

    def _uncounted(self) -> dict[str, str]:
        return self._forms.uncounted if self._forms else {}

    def _total(self, slots: list[int]) -> Total:
        return partial(self._slots.total, slots) if self._slots and slots else lambda: 0
