import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.cli.session import closing
from beepy.events.batch import Schema, Tally
from tests.writers.btf import BtfWriter

BTF = Btf(BtfWriter().data())


def ring(name: str) -> Schema:
    return Schema("image", name, None, BTF, record=TypeId(1))


def table(name: str) -> Schema:
    return Schema("image", name, None, BTF, record=VOID, key=TypeId(1), value=TypeId(1))


def tally(lost: dict[str, int | None], shown: int = 3, filtered: int = 0, left_out: int = 0) -> Tally:
    made = Tally()
    made.shown, made.filtered, made.left_out = shown, filtered, left_out
    made.lost = {ring(name): count for name, count in lost.items()}
    return made


@pytest.mark.parametrize(
    ("counted", "line"),
    [
        (tally({}), "3 shown, 0 filtered, 0 lost"),
        (Tally([table("t")]), "0 shown, 0 filtered, 0 lost"),
        (Tally([ring("r")]), "0 shown, 0 filtered, lost unknown (r)"),  # nothing came: nothing is known
        (Tally([ring("p")._replace(counts_loss=True)]), "0 shown, 0 filtered, 0 lost"),
        (tally({"r": None}), "3 shown, 0 filtered, lost unknown (r)"),
        (tally({"r": 0}), "3 shown, 0 filtered, 0 lost"),
        (tally({"r": 5}), "3 shown, 0 filtered, 5 lost (r)"),
        (tally({"a": 5, "b": 2, "c": 0}), "3 shown, 0 filtered, 7 lost (a, b)"),
        (tally({"a": 5, "b": None}), "3 shown, 0 filtered, 5 lost (a), lost unknown (b)"),
        (
            tally({"r": 0}, filtered=1, left_out=2),
            "3 shown, 1 filtered, 2 not shown (--count), 0 lost",
        ),
        (tally({"\x1b[2J": 1}), r"3 shown, 0 filtered, 1 lost (\x1b[2J)"),
    ],
)
def test_the_closing_line(counted: Tally, line: str) -> None:
    assert closing(counted, 12.34) == f"beepy: {line}, 12.3 s"


def test_a_loss_that_was_once_unknown_stays_unknown() -> None:
    counted = Tally([ring("r")])
    for lost in (3, None, 4):
        counted.add_lost(ring("r"), lost)
    assert closing(counted, 0) == "beepy: 0 shown, 0 filtered, lost unknown (r), 0.0 s"


def test_a_map_that_cannot_tell_hides_no_loss_of_its_namesake() -> None:
    perf, other = ring("events")._replace(counts_loss=True), ring("events")._replace(image="other")
    counted = Tally([perf, other])
    counted.add_lost(perf, 5)
    counted.add_lost(perf, 7)
    counted.add_lost(other, None)
    assert closing(counted, 0) == "beepy: 0 shown, 0 filtered, 12 lost (events), lost unknown (events), 0.0 s"
