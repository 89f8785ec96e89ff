import pytest

from beepy.btf.writer import BtfWriter
from beepy.events.decoder import Decoder
from beepy.events.endless import endless
from tests.support.events import Exits, stream


def test_pids_and_times_grow_without_end() -> None:
    decoder = Decoder(Exits().schema)
    names = [field.name for field in endless(decoder.fields)]
    assert names == ["start_time", "exit_time", "pid", "tid", "ppid"]


@pytest.mark.parametrize(
    ("name", "grows"),
    [
        ("pid", True),
        ("parent_pid", True),
        ("wait_ns", True),
        ("ino", True),
        ("sig", False),
        ("uid", False),
        ("cpu", False),
        ("rapid", False),
    ],
)
def test_names_say_whether_there_are_ever_more_values(name: str, *, grows: bool) -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    decoder = Decoder(stream(w, w.struct("event", 4, [(name, u32, 0)])))
    assert bool(endless(decoder.fields)) is grows


def test_paths_grow_and_names_do_not() -> None:
    w = BtfWriter()
    text = w.array(w.integer("char", 1), 16)
    record = w.struct("event", 32, [("comm", text, 0), ("fname", text, 128)])
    assert [f.name for f in endless(Decoder(stream(w, record)).fields)] == ["fname"]
