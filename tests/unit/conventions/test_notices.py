from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.conventions import notices, untyped
from beepy.events import raw
from beepy.obj.spec import CollectionSpec, MapSpec, NotShown, Tracked
from beepy.uapi import MapType

GUESS = (
    "map 'a\\x1b': shown as struct event, which is a guess (why): "
    "--type 'a\\x1b=struct NAME' overrules it"
)


def test_each_says_which_option_changes_it() -> None:
    w = BtfWriter()
    u32 = w.integer("unsigned int", 4, 0)
    event = w.struct("event", 4, [("pid", u32, 0)])
    btf = Btf(w.data(), name="object")
    maps = (
        *[MapSpec(name, ".maps", MapType.RINGBUF) for name in ("a\x1b", "b", "c", "d")],
        MapSpec("old", "maps", MapType.HASH, 4, 8, 16),
        MapSpec("start", ".maps", MapType.HASH, 4, 4, 16, key=u32, value=event),
        MapSpec("sock", ".maps", MapType.HASH, 4, 8, 16, key=u32, value=w.ptr(event)),
        MapSpec("heap", ".maps", MapType.HASH, 4, 4, 16, key=u32, value=event),
    )
    types, record = raw.record(btf)
    spec = CollectionSpec("o", "GPL", (), maps, (), (), btf)
    spec = spec._replace(
        tracked=(
            Tracked("a\x1b", None, event, reason="guess: why"),
            Tracked("b", None, record, types=types, reason="unknown: why"),
            Tracked("c", None, record, types=types, reason="untyped: why"),
            Tracked("d", None, event),
            untyped.table(spec, maps[4]),
        ),
        not_shown=(
            NotShown("start", None, "events are shown", by_choice=True),
            NotShown("sock", None, "events are shown", by_choice=True),
            NotShown("heap", None, "scratch", internal=True),
        ),
    )
    untold = "shown as hex, for the type is unknown"
    assert list(notices.of(spec)) == [
        GUESS,
        f"map 'b': {untold} (why): --type 'b=struct NAME' gives it one",
        "map 'c': shown as hex: why",
        f"map 'old': {untold} (the map declares no types): --type 'old=struct NAME' gives it one",
        "tables not shown: start, sock: --type 'start=struct event' shows one",
    ]


def test_they_are_few() -> None:
    maps = [MapSpec(f"m{number}", "maps", MapType.HASH, 4, 8, 16) for number in range(30)]
    spec = CollectionSpec("o", "GPL", (), tuple(maps), (), (), None)
    shown = spec._replace(tracked=tuple([untyped.table(spec, m) for m in maps]))
    assert len(lines := list(notices.of(shown))) == 11
    assert lines[-1] == "20 more maps: shown by a guess, or in hex"
    hidden = [NotShown(m.name, None, "", by_choice=True) for m in maps]
    (line,) = notices.of(spec._replace(not_shown=tuple(hidden)))
    assert line.startswith("tables not shown: m0, m1, m2, m3, m4, m5, m6, m7, ...: --type m0=hex ")
