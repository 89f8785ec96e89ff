import struct

import pytest

from beepy.btf import types
from beepy.btf.btf import MAX_NAME, MAX_STRING, MAX_VLEN, Btf
from beepy.btf.names import essential_name
from beepy.btf.types import Kind, Member, TypeId
from beepy.btf.writer import BtfWriter
from beepy.errors import BtfError
from tests.support.refusal import refused


def btf(writer: BtfWriter, base: Btf | None = None) -> Btf:
    return Btf(writer.data(), base, name="object")


def test_every_kind() -> None:
    w = BtfWriter()
    wanted: dict[int, types.Type] = {
        w.integer("int"): types.Int("int", 4, 32, 0, True, False, False),
        w.integer("_Bool", 1, 4, 3): types.Int("_Bool", 1, 8, 3, False, False, True),
        w.ptr(1): types.Ptr(TypeId(1)),
        w.array(1, 7, 2): types.Array(TypeId(1), TypeId(2), 7),
        w.struct("s", 8, [("a", 1, 0), ("b", 1, 32)]): types.Struct(
            "s",
            8,
            (Member("a", TypeId(1), types.Bits(0), 0), Member("b", TypeId(1), types.Bits(32), 0)),
        ),
        w.union("u", 4, [("a", 1, 3, 5)]): types.Union(
            "u", 4, (Member("a", TypeId(1), types.Bits(3), 5),)
        ),
        w.enum("e", {"A": 1, "B": -1}, signed=True): types.Enum(
            "e", 4, True, (types.Enumerator("A", 1), types.Enumerator("B", -1))
        ),
        w.enum("f", {"C": -1}): types.Enum("f", 4, False, (types.Enumerator("C", (1 << 32) - 1),)),
        w.enum64("g", {"D": 1 << 40}): types.Enum64(
            "g", 8, False, (types.Enumerator("D", 1 << 40),)
        ),
        w.enum64("h", {"E": -2}, signed=True): types.Enum64(
            "h", 8, True, (types.Enumerator("E", -2),)
        ),
        w.fwd("x", union=True): types.Fwd("x", True),
        w.typedef("t", 1): types.Typedef("t", TypeId(1)),
        w.volatile(1): types.Volatile(TypeId(1)),
        w.const(1): types.Const(TypeId(1)),
        w.restrict(3): types.Restrict(TypeId(3)),
        w.type_tag("user", 1): types.TypeTag("user", TypeId(1)),
        w.func_proto(1, [("a", 1), ("", 0)]): types.FuncProto(
            TypeId(1), (types.Param("a", TypeId(1)), types.Param("", TypeId(0)))
        ),
        w.func("main", 17, 1): types.Func("main", TypeId(17), 1),
        w.var("v", 1, 2): types.Var("v", TypeId(1), 2),
        w.datasec(".data", 4, [(19, 0, 4)]): types.DataSec(
            ".data", 4, (types.VarSecInfo(TypeId(19), 0, 4),)
        ),
        w.real("double", 8): types.Float("double", 8),
        w.decl_tag("tag", 5, 1): types.DeclTag("tag", TypeId(5), 1),
        w.decl_tag("tag", 5): types.DeclTag("tag", TypeId(5), -1),
    }
    found = btf(w)
    assert {type_id: found.type(TypeId(type_id)) for type_id in found.ids()} == wanted
    assert found.type(TypeId(0)) == types.Void()
    assert found.kind(TypeId(0)) is Kind.UNKN
    assert found.type(TypeId(5)) is found.type(TypeId(5))
    assert len(found) == len(wanted) + 1


def test_names_are_found() -> None:
    w = BtfWriter()
    first, kind = w.struct("exit", 4), w.enum("exit", {})
    w.struct("exits", 4)
    found = btf(w)
    assert found.named("exit") == (first, kind)
    assert found.find("exit", Kind.ENUM) == kind
    assert found.find("exit", Kind.UNION) is None
    assert found.named("xit") == ()  # the end of a name is no name of a type


def test_many_names_by_one_walk() -> None:
    w = BtfWriter()
    first, kind, other = w.struct("exit", 4), w.enum("exit", {}), w.struct("exits", 4)
    found = btf(w)
    assert found.ids_by_names({"exits", "exit", "none"}, Kind.STRUCT) == [first, other]
    assert found.ids_by_names({"exit"}, Kind.ENUM) == [kind]
    assert found.ids_by_names(set(), Kind.STRUCT) == []


def test_types_of_a_kind_are_not_built() -> None:
    w = BtfWriter()
    number, first = w.integer("int"), w.struct("a", 4, [("bad", 99, 0)])
    union, second = w.union("b", 24), w.struct("c", 4)
    found = btf(w)
    assert found.of_kind(Kind.STRUCT) == [first, second]
    assert found.of_kind(Kind.INT) == [number]
    assert found.of_kind(Kind.ENUM) == []
    assert found.composite_sizes() == {4, 24}
    later = BtfWriter.after(found)
    struct = later.struct("d", 8)
    split = btf(later, found)
    assert split.of_kind(Kind.STRUCT) == [struct]  # its own
    assert split.composite_sizes() == {8}
    assert union == 3


def test_flavors() -> None:
    w = BtfWriter()
    ids = [
        w.struct(name, 4)
        for name in ("task", "task___old", "task____x", "task_struct", "task___", "task___a___b")
    ]
    assert btf(w).flavors(["task"]) == {"task": [ids[0], ids[1]]}
    assert btf(w).flavors(["task___a"]) == {"task___a": [ids[5]]}
    assert btf(w).flavors(["task", "task___a", "ask", "", "task___"]) == {
        "task": [ids[0], ids[1]],
        "task___a": [ids[5]],
        "ask": [],
        "": [],
        "task___": [ids[4]],
    }
    assert btf(w).flavors([]) == {}


def test_flavors_of_split_btf() -> None:
    w = BtfWriter()
    w.struct("task", 4)
    base = btf(w)
    v = BtfWriter.after(base)
    first = v.struct("own___x", 4)  # its name has no NUL before it
    other = v.struct("other", 4)
    split = btf(v, base)
    assert split.flavors(["task", "own", "other"]) == {"task": [], "own": [first], "other": [other]}
    assert split.flavors(["task"]) == {"task": []}


@pytest.mark.parametrize(
    ("name", "essential"),
    [
        ("a", "a"),
        ("a___b", "a"),
        ("a___b___c", "a___b"),
        ("a___", "a___"),
        ("___b", "___b"),
        ("a____b", "a____b"),
    ],
)
def test_essential_name(name: str, essential: str) -> None:
    assert essential_name(name) == essential


def test_split_btf_continues_its_base() -> None:
    w = BtfWriter()
    integer = w.integer("int")
    base = btf(w)
    v = BtfWriter.after(base)
    v.string("own")
    typedef = v.typedef("int_t", integer)
    split = btf(v, base)
    assert typedef == 2
    assert split.type(typedef) == types.Typedef("int_t", integer)
    assert split.type(integer) == base.type(integer)
    assert split.kind(integer) is Kind.INT
    assert split.string(base.string_end) == "own"
    assert split.find("int", Kind.INT) == integer
    assert list(split.ids()) == [typedef]


def test_replaced_words_keep_the_layout() -> None:
    w = BtfWriter()
    w.integer("int")
    area = w.datasec(".data", 0, [(1, 0, 4)])
    found = btf(w)
    edited = found.with_words({(area, 2): 64, (area, 4): 8})
    assert edited.type(area) == types.DataSec(".data", 64, (types.VarSecInfo(TypeId(1), 8, 4),))
    assert found.type(area) == types.DataSec(".data", 0, (types.VarSecInfo(TypeId(1), 0, 4),))


def test_bytes_outside_ascii_are_shown() -> None:
    w = BtfWriter()
    w.strings += b"\xff\xfe\0"
    assert btf(w).string(1) == "\\xff\\xfe"


def test_members_that_share_a_long_name_cost_nothing() -> None:
    w = BtfWriter()
    w.string("n" * 100_000)
    members = [("", 0, 0)] * 60_000
    w.struct("s", 4, members)
    words = bytearray(w.types[0])
    for at in range(len(members)):
        struct.pack_into("<I", words, 12 + 12 * at, 1 + at)
    w.types[0] = bytes(words)
    with refused(BtfError, f"object: string offset 1: longer than {MAX_NAME} bytes"):
        btf(w).type(TypeId(1))


def test_strings_that_share_their_bytes_are_no_more_than_the_data() -> None:
    """A string is read once; common suffixes count once, so all fit into the size of the data."""
    w = BtfWriter()
    start = w.string("n" * 400)
    found = btf(w)
    assert found.string(start) is found.string(start)
    with refused(BtfError, f"object: string offset {start + 1}: overlapping strings"):
        for offset in range(start, start + 400):
            found.string(offset)


def test_names_of_types_and_tags_may_be_long() -> None:
    """Tags may hold whole expressions; libbpf takes any name."""
    w = BtfWriter()
    integer = w.integer()
    tags = [
        w.decl_tag("d" * 1100, integer),
        w.type_tag("t" * 1100, integer),
        w.struct("s" * 1100, 0),
    ]
    assert [btf(w).type(tag).name for tag in tags] == ["d" * 1100, "t" * 1100, "s" * 1100]  # type: ignore[union-attr]
    too_long = w.decl_tag("e" * (MAX_STRING + 1), integer)
    start = w.string("e" * (MAX_STRING + 1))
    with refused(BtfError, f"object: string offset {start}: longer than {MAX_STRING} bytes"):
        btf(w).type(too_long)


def test_a_string_that_was_read_is_still_too_long_for_a_name() -> None:
    w = BtfWriter()
    start = w.string("n" * 600)
    w.struct("s", 0, [("n" * 600, 0, 0)])
    found = btf(w)
    assert found.string(start) == "n" * 600
    with refused(BtfError, f"object: string offset {start}: longer than {MAX_NAME} bytes"):
        found.type(TypeId(1))


def test_a_type_with_too_many_members() -> None:
    w = BtfWriter()
    count = MAX_VLEN + 1
    w.add(Kind.ENUM, "e", 4, [0, 0] * count, vlen=count)
    with refused(
        BtfError, f"object: type 1: {count} members or values, at most {MAX_VLEN} are taken"
    ):
        btf(w).type(TypeId(1))


def test_no_type_has_a_name_that_is_no_text() -> None:
    """What the command line holds as surrogates is asked for like any other name."""
    w = BtfWriter()
    w.struct("s", 4)
    assert btf(w).find("s\udcff", Kind.STRUCT) is None


@pytest.mark.parametrize("break_", ["kind", "cut"])
def test_what_is_malformed_is_met_again(break_: str) -> None:
    """The index neither counts types before it twice, nor passes it."""
    w = BtfWriter()
    first, second = w.integer("int"), w.typedef("t", 1)
    if break_ == "kind":
        w.add(0x7F, "unknown", 0)
        message = "object: type 3: unknown kind 127"
    else:
        w.add(Kind.STRUCT, "s", 0, vlen=9)
        message = "object: type 3: exceeds the type section"
    found = btf(w)
    for _ in range(2):
        with refused(BtfError, message):
            len(found)
        with refused(BtfError, message):
            found.type(TypeId(3))
    assert found.named("t") == (second,)
    assert (found.kind(first), found.kind(second)) == (Kind.INT, Kind.TYPEDEF)


HEADER = struct.Struct("<HBBIIIII")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (0xEB9F, 2, 0, 24, 0, 0, 0, 1),
            "header: expected little-endian BTF version 1, got magic 0xeb9f, version 2",
        ),
        (
            (0x9FEB, 1, 0, 24, 0, 0, 0, 1),
            "header: expected little-endian BTF version 1, got big-endian",
        ),
        ((0xEB9F, 1, 0, 20, 0, 0, 0, 1), "header: sections exceed 25 bytes or are not aligned"),
        ((0xEB9F, 1, 0, 24, 2, 0, 0, 1), "header: sections exceed 25 bytes or are not aligned"),
        ((0xEB9F, 1, 0, 24, 0, 4, 0, 1), "header: sections exceed 25 bytes or are not aligned"),
        ((0xEB9F, 1, 0, 24, 0, 0, 1, 1), "header: sections exceed 25 bytes or are not aligned"),
        ((0xEB9F, 1, 0, 24, 0, 0, 0, 0), "strings: do not begin and end with a NUL"),
    ],
)
def test_bad_header(words: tuple[int, ...], message: str) -> None:
    with refused(BtfError, f"object: {message}"):
        Btf(HEADER.pack(*words) + b"\0", name="object")


def test_short_header() -> None:
    with refused(BtfError, "object: header: 5 bytes are too few"):
        Btf(b"\x9f\xeb\1\0\0", name="object")


def test_strings_without_an_end() -> None:
    with refused(BtfError, "object: strings: do not begin and end with a NUL"):
        Btf(HEADER.pack(0xEB9F, 1, 0, 24, 0, 0, 0, 2) + b"\0a", name="object")


def test_types_that_are_not_there() -> None:
    w = BtfWriter()
    w.integer("int")
    with refused(BtfError, "object: type 2: there are only 2 types"):
        btf(w).type(TypeId(2))
    with refused(BtfError, "object: type 2: there are only 2 types"):
        btf(w).kind(TypeId(2))


def test_unknown_kind() -> None:
    w = BtfWriter()
    w.add(21, "x", 0)
    with refused(BtfError, "object: type 1: unknown kind 21"):
        btf(w).type(TypeId(1))
    v = BtfWriter()
    v.add(0, "x", 0)
    with refused(BtfError, "object: type 1: unknown kind 0"):
        btf(v).type(TypeId(1))


def test_a_type_that_exceeds_its_section() -> None:
    w = BtfWriter()
    w.add(Kind.STRUCT, "s", 4, [0, 0], vlen=1)
    with refused(BtfError, "object: type 1: exceeds the type section"):
        btf(w).type(TypeId(1))
    w.integer("int")  # what follows is taken for its members
    w.types[1] = w.types[1][:4]
    assert len(btf(w)) == 2


def test_a_rest_that_is_no_type() -> None:
    w = BtfWriter()
    w.integer("int")
    w.types.append(bytes(8))
    with refused(BtfError, "object: type 2: exceeds the type section"):
        len(btf(w))


def test_string_beyond_the_end() -> None:
    w = BtfWriter()
    w.add(Kind.PTR, "", 0)
    w.types[0] = struct.pack("<I", 99) + w.types[0][4:]
    with refused(BtfError, "object: string offset 99: beyond 1"):
        btf(w).type(TypeId(1))


def test_types_with_too_many_members_together() -> None:
    w = BtfWriter()
    for number in range(3):
        w.add(Kind.ENUM, f"e{number}", 4, [0, 0] * 200_000, vlen=200_000)
    found = btf(w)
    found.type(TypeId(1))
    found.type(TypeId(2))
    with refused(BtfError, "object: type 3: more than 524288 members and values of all types"):
        found.type(TypeId(3))


def test_bytes_outside_ascii_are_four_characters_each() -> None:
    w = BtfWriter()
    w.strings += b"a\x80\xffb\0"
    assert btf(w).string(1) == r"a\x80\xffb"


def test_sections_of_data_by_name() -> None:
    w = BtfWriter()
    w.struct(".bss", 0)
    first, second = w.datasec(".bss", 0), w.datasec(".bss", 0)
    other = w.datasec(".data", 0)
    assert (first, second) == (2, 3)
    assert [btf(w).datasec(name) for name in (".bss", ".data", ".maps")] == [first, other, None]
