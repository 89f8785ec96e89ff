"""What an output cannot show is counted."""

from beepy.events.decoder import Decoder
from beepy.outputs.only import OnlyMaps
from beepy.session import Run
from tests.support.events import Exits, ring
from tests.support.given import Given

ONE = Exits().schema
OTHER = ONE._replace(map="other")


class Noted:
    """A sink that notes what it gets."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def open(self, decoders: object) -> None:
        self.calls.append(f"open {[d.schema.map for d in decoders]}")  # type: ignore[attr-defined]

    def write(self, batch: object) -> None:
        self.calls.append(f"write {batch.schema.map}")  # type: ignore[attr-defined]

    def close(self) -> None:
        self.calls.append("close")


def test_rows_of_other_maps_are_counted() -> None:
    noted = Noted()
    batches = [ring(schema, [Exits.record()] * 3) for schema in (ONE, OTHER)]
    with Run(Given(batches)) as run:
        run.add_sink(OnlyMaps([Decoder(OTHER)], noted, run.stats))
        for _ in run:
            pass
    assert noted.calls == ["open ['other']", "write other", "close"]
    assert (run.stats.shown, run.stats.cut_by_output) == (3, 3)


def test_rows_of_other_maps_do_not_end_a_run() -> None:
    batches = [ring(schema, [Exits.record()] * 3) for schema in (ONE, OTHER, ONE, OTHER)]
    with Run(Given(batches), limit=4) as run:
        run.add_sink(OnlyMaps([Decoder(OTHER)], Noted(), run.stats))
        for _ in run:
            pass
        stats = run.stats
    assert (stats.shown, stats.cut_by_output, stats.cut_by_count) == (4, 4, 4)
