"""``--type``: which maps are shown by which types, and what is refused."""

import pytest

from beepy import conventions
from beepy.btf.btf import Btf
from beepy.btf.cformat import c_type
from beepy.btf.types import VOID
from beepy.btf.writer import BtfWriter
from beepy.conventions import choices
from beepy.errors import UsageError, typed
from beepy.events.schemas import of_tracked
from beepy.obj.spec import CollectionSpec, MapSpec, Role
from beepy.uapi import MapType


def given(*, types: bool = True) -> CollectionSpec:
    """A ring without a type, one of bee's, and tables; two types are called ``event``."""
    w = BtfWriter()
    u32, u64 = w.integer("unsigned int", 4, 0), w.integer("unsigned long long", 8, 0)
    w.typedef("u64", u64)
    event = w.struct("event", 16, [("pid", u32, 0), ("time", u64, 64)])
    w.struct("event", 8, [("pid", u32, 0)])
    w.enum("state", {"ON": 1})
    w.typedef("count_t", u64)
    ids = (u32, u64, event) if types else (VOID,) * 3
    maps = (
        MapSpec("events", ".maps", MapType.RINGBUF, max_entries=4096),
        MapSpec("print_exits", ".maps", MapType.RINGBUF, max_entries=4096, value=ids[2]),
        MapSpec("start", ".maps", MapType.HASH, 4, 8, 16, key=ids[0], value=ids[1]),
        MapSpec("stacks", ".maps", MapType.STACK_TRACE, 4, 8, 16),
    )
    btf = Btf(w.data(), name="object") if types else None
    return CollectionSpec("o", "GPL", (), maps, (), (), btf)


def chosen(*texts: str, spec: CollectionSpec | None = None) -> dict[str, tuple[str, Role | None]]:
    spec = conventions.apply(given(), "bee") if spec is None else spec
    (applied,) = choices.apply_all([spec], choices.settings(texts))
    shown = {}
    for tracked in applied.tracked:
        assert not tracked.reason
        schema = of_tracked(applied, tracked)
        shown[tracked.map] = c_type(schema.btf, schema.record or schema.value), tracked.role
    assert not [refusal for refusal in applied.not_shown if refusal.map in shown]
    return shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("struct event", "struct event"),
        ("struct  event ", "struct event"),
        ("event", "struct event"),
        ("enum state", "enum state"),
        ("unsigned int", "unsigned int"),
        ("count_t", "count_t"),
        ("hex", "hex"),
    ],
)
def test_the_type_of_records(text: str, shown: str) -> None:
    assert chosen(f"events={text}")["events"] == (shown, None)


def test_other_maps_are_as_before() -> None:
    both = {"events": ("struct event", None), "print_exits": ("struct event", Role.PRINT)}
    assert chosen("events=struct event") == both


def test_it_overrules_a_declared_type_and_keeps_the_role() -> None:
    assert chosen("print_exits=u64") == {"print_exits": ("u64", Role.PRINT)}


@pytest.mark.parametrize(
    ("text", "shown"), [("count_t", "count_t"), ("struct event", "struct event"), ("hex", "hex")]
)
def test_the_type_of_values_has_their_size(text: str, shown: str) -> None:
    assert chosen(f"start={text}")["start"] == (shown, None)


def test_hex_needs_no_types() -> None:
    assert chosen("events=hex", spec=given(types=False)) == {"events": ("hex", None)}


@pytest.mark.parametrize(
    ("text", "why", "note"),
    [
        ("events", "--type 'events': expected MAP=TYPE", ""),
        ("events=", "--type 'events=': expected MAP=TYPE", ""),
        ("=u64", "--type '=u64': expected MAP=TYPE", ""),
        ("event=u64", "--type 'event=u64': no map has that name", "did you mean events?"),
        ("x\x1b=u64", "--type 'x\\x1b=u64': no map has that name", "there are: events, print_"),
        (
            "events=struct evnt",
            "--type 'events=struct evnt': the object has no such type",
            "did you mean struct event?",
        ),
        (
            "events=union event",
            "--type 'events=union event': the object has no such type",
            "did you mean struct event?",
        ),
        ("events=zzz", "--type 'events=zzz': the object has no such type", "there are: struct ev"),
        (
            "start=unsigned int",
            "--type 'start=unsigned int': the type has 4 bytes: values have 8",
            "",
        ),
        ("stacks=u64", "--type 'stacks=u64': nothing reads STACK_TRACE yet", ""),
    ],
)
def test_refused(text: str, why: str, note: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(text)
    assert typed(caught.value) == why
    assert "\n".join(getattr(caught.value, "__notes__", [])).startswith(note)


def test_refused_without_types() -> None:
    with pytest.raises(UsageError, match="the object has no type information"):
        chosen("events=struct event", spec=given(types=False))


def test_twice() -> None:
    with pytest.raises(UsageError, match="map 'events' is given twice"):
        choices.settings(["events=u64", "events=u32"])
