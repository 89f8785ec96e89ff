import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.core.access import parse
from beepy.core.match import MAX_LEVEL, Matcher
from beepy.errors import BeepyError, RelocationError
from beepy.uapi import CoreReloKind
from tests.support.core import ref


class Pair:
    """Two writers, and the question whether a type of the one fits a type of the other."""

    def __init__(self) -> None:
        self.local, self.target = BtfWriter(), BtfWriter()

    def asks(self, one: int, other: int, kind: int, access: str = "0") -> bool:
        matcher = Matcher(
            Btf(self.local.data(), name="local"), Btf(self.target.data(), name="vmlinux")
        )
        return (
            matcher.match(kind, parse(matcher.local, ref(one, access, kind)), TypeId(other))
            is not None
        )

    def fits(self, one: int, other: int) -> bool:
        return self.asks(one, other, CoreReloKind.TYPE_EXISTS)

    def matches(self, one: int, other: int) -> bool:
        return self.asks(one, other, CoreReloKind.TYPE_MATCHES)

    def field(self, one: int, other: int) -> bool:
        """Wrap both as member ``f`` of a struct and ask whether the field exists."""
        wrapped = [
            writer.struct("s", 64, [("f", of, 0)])
            for writer, of in ((self.local, one), (self.target, other))
        ]
        return self.asks(wrapped[0], wrapped[1], CoreReloKind.FIELD_EXISTS, "0:0")


def everything(writer: BtfWriter) -> dict[str, int]:
    number = writer.integer()
    return {
        "void": 0,
        "int": number,
        "ptr": writer.ptr(number),
        "array": writer.array(number, 3),
        "struct": writer.struct("s", 4, [("a", number, 0)]),
        "union": writer.union("s", 4, [("a", number, 0)]),
        "enum": writer.enum("s", {"A": 1}),
        "enum64": writer.enum64("s", {"A": 1}, size=4),
        "fwd": writer.fwd("s"),
        "fwd_union": writer.fwd("s", union=True),
        "float": writer.real("float", 4),
        "proto": writer.func_proto(number, [("", number)]),
        "func": writer.func("s", 1),
    }


def table(relation: str) -> dict[str, set[str]]:
    pair = Pair()
    ours, theirs = everything(pair.local), everything(pair.target)
    asks = getattr(pair, relation)
    return {name: {other for other in theirs if asks(ours[name], theirs[other])} for name in ours}


def test_types_fit_by_kind() -> None:
    assert table("fits") == {
        **{name: {name} for name in ("void", "int", "ptr", "array", "struct", "union", "proto")},
        "enum": {"enum", "enum64"},
        "enum64": {"enum", "enum64"},
        "fwd": {"fwd", "fwd_union"},
        "fwd_union": {"fwd", "fwd_union"},
        "float": set(),
        "func": set(),
    }


def test_types_match_by_kind() -> None:
    assert table("matches") == {
        **{
            name: {name}
            for name in (
                "void",
                "int",
                "ptr",
                "array",
                "struct",
                "union",
                "proto",
                "fwd",
                "fwd_union",
            )
        },
        "enum": {"enum", "enum64"},
        "enum64": {"enum", "enum64"},
        "float": set(),
        "func": set(),
    }


def test_fields_fit_by_kind() -> None:
    names = (
        "int",
        "ptr",
        "array",
        "struct",
        "union",
        "enum",
        "enum64",
        "float",
        "fwd",
        "fwd_union",
        "proto",
    )
    pair = Pair()
    ours, theirs = everything(pair.local), everything(pair.target)
    found = {
        name: {other for other in names if pair.field(ours[name], theirs[other])} for name in names
    }
    assert found == {
        **{name: {name} for name in ("int", "ptr", "array", "float")},
        "struct": {"struct", "union"},
        "union": {"struct", "union"},
        "enum": {"enum", "enum64"},
        "enum64": {"enum", "enum64"},
        "fwd": {"fwd", "fwd_union"},
        "fwd_union": {"fwd", "fwd_union"},
        "proto": set(),
    }


def test_modifiers_and_typedefs_do_not_count() -> None:
    pair = Pair()
    one = pair.local.const(pair.local.typedef("t", pair.local.volatile(pair.local.integer())))
    other = pair.target.restrict(pair.target.type_tag("user", pair.target.integer()))
    assert pair.fits(one, other)
    assert pair.matches(one, other)
    assert pair.field(one, other)


def test_integers() -> None:
    pair = Pair()
    signed = pair.local.integer("int", 4, 1)
    same, unsigned, wide, renamed, shifted = [
        pair.target.integer(*shape)
        for shape in (("int", 4, 1), ("int", 4, 0), ("int", 8, 1), ("s32", 4, 1), ("int", 4, 1, 3))
    ]
    assert [pair.fits(signed, other) for other in (same, unsigned, wide, renamed, shifted)] == [
        True
    ] * 4 + [False]
    assert [pair.field(signed, other) for other in (same, unsigned, wide, renamed, shifted)] == [
        True
    ] * 4 + [False]
    assert [pair.matches(signed, other) for other in (same, unsigned, wide, renamed)] == [
        True,
        False,
        False,
        False,
    ]


def test_names_of_enums_and_forwards() -> None:
    pair = Pair()
    one = pair.local.enum("e___mine", {"A": 1})
    same, anonymous, other = [pair.target.enum(name, {"A": 1}) for name in ("e___theirs", "", "f")]
    assert [pair.field(one, found) for found in (same, anonymous, other)] == [True, True, False]
    assert [pair.matches(one, found) for found in (same, anonymous, other)] == [True, False, False]
    assert [pair.fits(one, found) for found in (same, anonymous, other)] == [True, True, True]
    forward = pair.local.fwd("s___1")
    assert pair.field(forward, pair.target.fwd("s___2"))
    assert not pair.field(forward, pair.target.fwd("t"))


def test_enums_match_by_their_names() -> None:
    pair = Pair()
    one = pair.local.enum("e", {"A": 1, "B___x": 2})
    assert pair.matches(one, pair.target.enum("e", {"C": 9, "B": 7, "A": 8}))
    assert not pair.matches(one, pair.target.enum("e", {"A": 1, "C": 2, "D": 3}))
    assert not pair.matches(one, pair.target.enum("e", {"A": 1}))
    assert not pair.matches(one, pair.target.enum("e", {"A": 1, "B": 2}, size=1))
    assert pair.matches(one, pair.target.enum64("e", {"A": 1, "B": 2}, size=4))


def test_structs_match_by_their_members() -> None:
    pair = Pair()
    mine, theirs = pair.local.integer(), pair.target.integer()
    one = pair.local.struct("s", 8, [("a", mine, 0), ("b___new", mine, 32)])
    assert pair.matches(
        one, pair.target.struct("s", 12, [("b", theirs, 0), ("x", theirs, 32), ("a", theirs, 64)])
    )
    assert not pair.matches(one, pair.target.struct("s", 12, [("a", theirs, 0)]))
    assert not pair.matches(one, pair.target.struct("s", 12, [("a", theirs, 0), ("c", theirs, 0)]))
    wrong = pair.target.integer("int", 8)
    assert not pair.matches(one, pair.target.struct("s", 12, [("a", wrong, 0), ("b", theirs, 0)]))
    both = [("a", wrong, 0), ("a", theirs, 0), ("b", theirs, 0)]  # any of equal names will do
    assert pair.matches(one, pair.target.struct("s", 12, both))


def test_behind_a_pointer_names_suffice() -> None:
    pair = Pair()
    mine = pair.local.integer()
    one = pair.local.struct("s", 4, [("a", mine, 0)])
    empty = pair.target.struct("s", 0)
    assert not pair.matches(one, empty)
    behind = [
        pair.target.ptr(found)
        for found in (empty, pair.target.fwd("s"), pair.target.fwd("s", union=True))
    ]
    assert [pair.matches(pair.local.ptr(one), found) for found in behind] == [True, True, False]
    union = pair.local.ptr(pair.local.union("s", 4, [("a", mine, 0)]))
    assert [pair.matches(union, found) for found in behind] == [False, False, True]
    forward = pair.local.ptr(pair.local.fwd("s"))
    assert [pair.matches(forward, found) for found in behind] == [True, True, False]
    other = pair.target.ptr(pair.target.struct("t", 0))
    assert not pair.matches(pair.local.ptr(one), other)


def test_anonymous_members_match_one_another() -> None:
    pair = Pair()
    mine, theirs = pair.local.integer(), pair.target.integer()
    one = pair.local.struct("s", 4, [("", pair.local.union("", 4, [("b", mine, 0)]), 0)])
    first = pair.target.union("", 4, [("a", theirs, 0)])
    second = pair.target.union("", 4, [("b", theirs, 0)])
    assert pair.matches(one, pair.target.struct("s", 8, [("", first, 0), ("", second, 32)]))
    assert not pair.matches(one, pair.target.struct("s", 8, [("", first, 0), ("b", theirs, 32)]))


def test_arrays_match_by_length_and_functions_by_parameters() -> None:
    pair = Pair()
    mine, theirs = pair.local.integer(), pair.target.integer()
    assert pair.matches(pair.local.array(mine, 3), pair.target.array(theirs, 3))
    assert not pair.matches(pair.local.array(mine, 3), pair.target.array(theirs, 4))
    assert pair.fits(pair.local.array(mine, 3), pair.target.array(theirs, 4))
    one = pair.local.ptr(pair.local.func_proto(0, [("a", mine), ("b", pair.local.ptr(mine))]))
    same = pair.target.ptr(
        pair.target.func_proto(0, [("x", theirs), ("y", pair.target.ptr(theirs))])
    )
    fewer = pair.target.ptr(pair.target.func_proto(0, [("x", theirs)]))
    other = pair.target.ptr(pair.target.func_proto(0, [("x", theirs), ("y", theirs)]))
    returns = pair.target.ptr(
        pair.target.func_proto(theirs, [("x", theirs), ("y", pair.target.ptr(theirs))])
    )
    found = (same, fewer, other, returns)
    assert [pair.fits(one, each) for each in found] == [True, False, False, False]
    assert [pair.matches(one, each) for each in found] == [True, False, False, False]


def test_pointer_chains_and_self_references_are_bounded() -> None:
    pair = Pair()
    loops = []
    for writer in (pair.local, pair.target):
        number = writer.next_id
        loops.append((writer.ptr(number), writer.struct("s", 4, [("a", number + 1, 0)])))
    for asks in (pair.fits, pair.matches):
        with pytest.raises(RelocationError, match=f"deeper than {MAX_LEVEL}"):
            asks(loops[0][0], loops[1][0])
    with pytest.raises(RelocationError, match="deeper"):
        pair.matches(loops[0][1], loops[1][1])
    assert pair.fits(loops[0][1], loops[1][1])


def test_a_dag_of_functions_costs_no_exponential_time() -> None:
    pair = Pair()
    tops = []
    for writer in (pair.local, pair.target):
        top = writer.integer()
        for _ in range(MAX_LEVEL - 2):
            pointer = writer.ptr(top)
            top = writer.func_proto(0, [("", pointer)] * 9)
        tops.append(top)
    assert pair.fits(*tops)
    assert pair.matches(*tops)


def test_a_dag_of_anonymous_structs_costs_no_exponential_time() -> None:
    pair = Pair()
    tops = []
    for writer in (pair.local, pair.target):
        top = writer.struct("", 4, [("leaf", writer.integer(), 0)])
        for _ in range(MAX_LEVEL - 3):
            top = writer.struct("", 4, [("", top, 0)] * 9)
        tops.append(writer.struct("s", 4, [("", top, 0)]))
    assert pair.matches(*tops)
    absent = pair.local.struct("s", 4, [("nowhere", 1, 0)])
    assert not pair.asks(absent, tops[1], CoreReloKind.FIELD_EXISTS, "0:0")


def test_anonymous_nesting_is_bounded() -> None:
    pair = Pair()
    one = pair.local.struct("s", 4, [("f", pair.local.integer(), 0)])
    top = pair.target.integer()
    for _ in range(100):
        top = pair.target.struct("", 4, [("", top, 0)])
    with pytest.raises(BeepyError, match="deeper"):
        pair.asks(one, top, CoreReloKind.FIELD_EXISTS, "0:0")
    itself = pair.target.struct("s", 4, [("", pair.target.next_id, 0)])
    assert not pair.asks(one, itself, CoreReloKind.FIELD_EXISTS, "0:0")


def test_enumerators() -> None:
    pair = Pair()
    one = pair.local.enum("e", {"A": 1, "B___mine": 2})
    other = pair.target.typedef("e", pair.target.enum64("x", {"B___x": 1 << 40, "AA": 3}))
    assert not pair.asks(one, other, CoreReloKind.ENUMVAL_EXISTS, "0")
    assert pair.asks(one, other, CoreReloKind.ENUMVAL_EXISTS, "1")
    assert not pair.asks(one, pair.target.struct("e", 0), CoreReloKind.ENUMVAL_EXISTS, "1")


def test_flexible_arrays_only_at_the_end() -> None:
    pair = Pair()
    mine, theirs = pair.local.integer(), pair.target.integer()
    one = pair.local.struct("s", 4, [("tail", pair.local.array(mine, 0), 0)])
    flexible = pair.target.array(theirs, 0)
    last = pair.target.struct("s", 4, [("n", theirs, 0), ("tail", flexible, 32)])
    inside = pair.target.struct("s", 4, [("tail", flexible, 0), ("n", theirs, 0)])
    bounded = pair.target.struct("s", 4, [("tail", pair.target.array(theirs, 5), 0)])
    found = [
        pair.asks(one, other, CoreReloKind.FIELD_EXISTS, "0:0:5")
        for other in (last, inside, bounded)
    ]
    assert found == [True, False, False]
    assert pair.asks(one, bounded, CoreReloKind.FIELD_EXISTS, "0:0:4")
