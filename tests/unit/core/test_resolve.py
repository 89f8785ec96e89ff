from collections.abc import Iterator

import pytest

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter, Member
from beepy.core.resolve import Fixup, Resolver
from beepy.errors import RelocationError
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.uapi import CoreReloKind as Kind
from tests.support.core import LDX_W, MOV, program, ref, resolve

MISSING = "missing"


def structs(
    mine: list[Member], *theirs: list[Member], size: int = 16
) -> tuple[BtfWriter, BtfWriter, int]:
    """Return a local and a target BTF, and the local id of the struct s.

    Ids 1 to 4 are int, u32, u64 and a pointer.
    """
    writers = BtfWriter(), BtfWriter()
    roots = []
    for writer, found in ((writers[0], [mine]), (writers[1], [*theirs])):
        writer.integer("int")
        writer.integer("u32", 4, 0)
        writer.integer("u64", 8, 0)
        writer.ptr(1)
        roots.append([writer.struct("s", size, members) for members in found])
    return (*writers, roots[0][0])


INT, U32, U64, PTR = 1, 2, 3, 4


@pytest.mark.parametrize(
    ("kind", "old", "new", "validate"),
    [
        (Kind.FIELD_BYTE_OFFSET, 4, 8, True),
        (Kind.FIELD_BYTE_SIZE, 4, 8, True),
        (Kind.FIELD_EXISTS, 1, 1, True),
        (Kind.FIELD_SIGNED, 1, 0, True),
        (Kind.FIELD_LSHIFT_U64, 32, 0, True),
        (Kind.FIELD_RSHIFT_U64, 32, 0, True),
    ],
)
def test_field(kind: Kind, old: int, new: int, *, validate: bool) -> None:
    local, target, root = structs([("a", INT, 0), ("b", INT, 32)], [("b", U64, 64)])
    fixup = resolve(local, target, ref(root, "0:1", kind))
    assert (fixup.old, fixup.new, fixup.poison, fixup.validate) == (old, new, False, validate)


@pytest.mark.parametrize(
    ("kind", "became"),
    [
        (Kind.FIELD_BYTE_OFFSET, MISSING),
        (Kind.FIELD_BYTE_SIZE, MISSING),
        (Kind.FIELD_EXISTS, 0),
        (Kind.FIELD_SIGNED, MISSING),
        (Kind.FIELD_LSHIFT_U64, MISSING),
        (Kind.FIELD_RSHIFT_U64, MISSING),
    ],
)
def test_missing_field(kind: Kind, became: int | str) -> None:
    absent: list[list[list[Member]]] = [[[("x", INT, 0)]], [], [[("b", PTR, 0)]]]
    for theirs in absent:
        local, target, root = structs([("a", INT, 0), ("b", INT, 32)], *theirs)
        fixup = resolve(local, target, ref(root, "0:1", kind))
        assert (MISSING if fixup.poison else fixup.new) == became


@pytest.mark.parametrize(
    ("kind", "old", "new", "absent", "validate"),
    [
        (Kind.TYPE_ID_LOCAL, 5, 5, 5, False),
        (Kind.TYPE_ID_TARGET, 5, 6, 0, False),
        (Kind.TYPE_EXISTS, 1, 1, 0, True),
        (Kind.TYPE_SIZE, 16, 24, 0, True),
        (Kind.TYPE_MATCHES, 1, 1, 0, True),
    ],
)
def test_type(kind: Kind, old: int, new: int, absent: int, *, validate: bool) -> None:
    local, target, root = structs([("a", INT, 0)])
    found = resolve(local, target, ref(root, "0", kind))
    assert (found.old, found.new, found.poison) == (old, absent, False)
    target.union("s", 99)
    target.struct("s", 24, [("b", INT, 0), ("a", INT, 32)])
    found = resolve(local, target, ref(root, "0", kind))
    assert (found.old, found.new, found.poison, found.validate) == (old, new, False, validate)


def test_enumerator() -> None:
    local, target = BtfWriter(), BtfWriter()
    mine = local.enum("e", {"A": 1, "B": -2, "GONE": 3}, signed=True)
    target.enum64("e___2", {"B": 1 << 40, "A": -1}, signed=True)
    values = [resolve(local, target, ref(mine, str(at), Kind.ENUMVAL_VALUE)) for at in range(3)]
    assert [(found.old, found.new, found.poison) for found in values] == [
        (1, (1 << 64) - 1, False),
        ((1 << 64) - 2, 1 << 40, False),
        (3, 0, True),
    ]
    exists = [resolve(local, target, ref(mine, str(at), Kind.ENUMVAL_EXISTS)) for at in range(3)]
    assert [(found.old, found.new, found.poison) for found in exists] == [
        (1, 1, False),
        (1, 1, False),
        (1, 0, False),
    ]


def test_enumerators_of_32_bits_are_extended_by_their_sign() -> None:
    local, target = BtfWriter(), BtfWriter()
    mine = local.enum("e", {"A": 0xFFFFFFFF})
    target.enum("e", {"A": 0x80000000})
    found = resolve(local, target, ref(mine, "0", Kind.ENUMVAL_VALUE))
    assert (found.old, found.new) == ((1 << 64) - 1, (1 << 64) - (1 << 31))


@pytest.mark.parametrize(
    ("of", "offset", "bits", "values"),  # values: byte_off, byte_sz, lshift_u64, rshift_u64
    [
        (U32, 0, 1, [0, 4, 63, 63]),
        (U32, 37, 3, [4, 4, 56, 61]),
        (U32, 30, 4, [0, 8, 30, 60]),  # crosses 32 bits: needs a load of 8
        (INT, 64 + 5, 20, [8, 4, 39, 44]),
        (U64, 64, 40, [8, 8, 24, 24]),
    ],
)
def test_bitfield(of: int, offset: int, bits: int, values: list[int]) -> None:
    local, target, root = structs([("f", INT, 0, 9)], [("f", of, offset, bits)])
    kinds = (
        Kind.FIELD_BYTE_OFFSET,
        Kind.FIELD_BYTE_SIZE,
        Kind.FIELD_LSHIFT_U64,
        Kind.FIELD_RSHIFT_U64,
    )
    found = [resolve(local, target, ref(root, "0:0", kind)) for kind in kinds]
    assert [fixup.new for fixup in found] == values
    assert [fixup.old for fixup in found] == [0, 4, 55, 55]
    assert [fixup.validate for fixup in found] == [False, False, False, True]
    assert {(fixup.old_size, fixup.new_size) for fixup in found} == {(0, 0)}
    assert resolve(local, target, ref(root, "0:0", Kind.FIELD_SIGNED)).new == (of == INT)


def test_bitfields_that_no_load_holds() -> None:
    local, target, root = structs([("f", U64, 0, 4)], [("f", U64, 62, 4)])
    with pytest.raises(RelocationError, match="no load of 8 bytes"):
        resolve(local, target, ref(root, "0:0"))
    local, target, root = structs([("f", U64, 0, 4)], [("f", 6, 0, 4)])
    target.integer("none", 0, 0)
    with pytest.raises(RelocationError, match="without a size"):
        resolve(local, target, ref(root, "0:0"))


def test_a_bitfield_became_a_field() -> None:
    local, target, root = structs([("f", U32, 3, 4)], [("f", U64, 64)])
    found = resolve(local, target, ref(root, "0:0"), Insn(LDX_W))
    # As libbpf: sizes differ.
    assert (found.new, found.poison, found.old_size, found.new_size) == (8, True, 0, 8)


def test_elements_and_their_sizes() -> None:
    local, target, root = structs([("m", 6, 0)], [("m", 6, 32)])
    assert (local.array(5, 2), target.array(5, 2)) == (6, 6)
    local, target = BtfWriter(), BtfWriter()
    for writer, name, size, shift in ((local, "u32", 4, 0), (target, "u16", 2, 32)):
        number = writer.integer(name, size, 0)
        matrix = writer.array(writer.array(number, 3), 2)
        root = writer.struct("s", 64, [("m", matrix, shift)])
    whole, row, element = [
        resolve(local, target, ref(root, access)) for access in ("0:0", "0:0:1", "0:0:1:2")
    ]
    assert [(found.old, found.new) for found in (whole, row, element)] == [
        (0, 4),
        (12, 10),
        (20, 14),
    ]
    assert {(found.old_size, found.new_size) for found in (whole, row, element)} == {(4, 2)}
    sizes = [
        resolve(local, target, ref(root, access, Kind.FIELD_BYTE_SIZE))
        for access in ("0:0", "0:0:1", "0:0:1:2")
    ]
    assert [(found.old, found.new) for found in sizes] == [(24, 12), (12, 6), (4, 2)]
    for kind in (Kind.FIELD_SIGNED, Kind.FIELD_LSHIFT_U64, Kind.FIELD_RSHIFT_U64):
        with pytest.raises(RelocationError, match="an element of an array"):
            resolve(local, target, ref(root, "0:0:1", kind))
    assert resolve(local, target, ref(root, "0:0:1:2"), Insn(LDX_W)).poison is False
    # A row is not an integer.
    assert resolve(local, target, ref(root, "0:0:1"), Insn(LDX_W)).poison is True


def test_index_of_the_root_takes_the_targets_size() -> None:
    local, target, root = structs([("a", INT, 0), ("b", INT, 32)], size=8)
    target.struct("s", 24, [("b", INT, 64)])
    assert resolve(local, target, ref(root, "3:1")).new == 3 * 24 + 8


def test_offsets_beyond_what_libbpf_counts_are_refused() -> None:
    local, target, root = structs([("a", INT, 0)], [("a", INT, 0)], size=1 << 30)
    with pytest.raises(RelocationError, match="too large"):
        resolve(local, target, ref(root, "1000000:0"))


@pytest.mark.parametrize(
    ("mine", "theirs", "poison"),
    [(U32, U64, False), (INT, U64, True), (U64, INT, True), (INT, INT, False), (PTR, PTR, False)],
)
def test_width_of_loads(mine: int, theirs: int, *, poison: bool) -> None:
    local, target, root = structs([("a", mine, 0)], [("a", theirs, 0)])
    for code in (LDX_W, op.ST | op.MEM | op.W, op.STX | op.MEM | op.W):
        assert resolve(local, target, ref(root, "0:0"), Insn(code)).poison is poison
    assert resolve(local, target, ref(root, "0:0"), Insn(MOV)).poison is False


def test_flavors_are_one_type() -> None:
    local, target = BtfWriter(), BtfWriter()
    mine = local.struct("s___mine", 8, [("a", local.integer(), 0)])
    number = target.integer()
    target.struct("s_x", 8, [("a", number, 8)])
    target.struct("ss", 8, [("a", number, 16)])
    target.struct("s____y", 8, [("a", number, 24)])
    target.struct("s___theirs", 8, [("a", number, 32)])
    target.typedef("s", number)
    found = resolve(local, target, ref(mine, "0:0"))
    assert (found.new, found.access) == (4, "struct s___mine.a")


def test_candidates_that_agree_and_that_do_not() -> None:
    local, target, root = structs(
        [("a", INT, 0)], [("a", INT, 32)], [("x", INT, 0), ("a", INT, 32)]
    )
    assert resolve(local, target, ref(root, "0:0")).new == 4
    assert resolve(local, target, ref(root, "0", Kind.TYPE_EXISTS)).new == 1
    with pytest.raises(RelocationError, match="ambiguous: 2 types"):
        resolve(local, target, ref(root, "0", Kind.TYPE_ID_TARGET))
    local, target, root = structs([("a", INT, 0)], [("a", INT, 32)], [("a", INT, 64)])
    # libbpf compares offsets for all.
    for kind in (Kind.FIELD_BYTE_OFFSET, Kind.FIELD_BYTE_SIZE, Kind.FIELD_EXISTS):
        with pytest.raises(RelocationError, match="ambiguous"):
            resolve(local, target, ref(root, "0:0", kind))


def test_candidates_that_failed_once_are_not_asked_again() -> None:
    local, target, root = structs(
        [("a", INT, 0), ("b", INT, 32)], [("a", INT, 32)], [("b", INT, 96)]
    )
    resolver = Resolver(Btf(local.data()), [Btf(target.data())])
    refs = (ref(root, "0:0", at=0), ref(root, "0:1", at=1))
    one, other = resolver.fixups(program((Insn(MOV), Insn(MOV)), refs))
    assert (one.new, one.poison, other.poison) == (4, False, True)
    resolver = Resolver(Btf(local.data()), [Btf(target.data())])
    other, one = resolver.fixups(program((Insn(MOV), Insn(MOV)), refs[::-1]))
    assert (other.new, other.poison, one.poison) == (12, False, True)


def test_modules_are_read_only_for_what_vmlinux_lacks() -> None:
    local, target, root = structs([("a", INT, 0)], [("a", INT, 32)])
    absent = local.struct("only_in_module", 4, [("f", INT, 0)])
    vmlinux = Btf(target.data(), name="vmlinux")
    module = BtfWriter.after(vmlinux)
    module.struct("only_in_module", 8, [("f", INT, 32)])
    module.struct("s", 8, [("a", INT, 64)])
    read = []

    def targets() -> Iterator[Btf]:
        for found in (vmlinux, Btf(module.data(), vmlinux, "mod")):
            read.append(found.name)
            yield found

    resolver = Resolver(Btf(local.data()), targets)
    (fixup,) = resolver.fixups(program((Insn(MOV),), (ref(root, "0:0"),)))
    assert (fixup.new, read) == (4, ["vmlinux"])
    found = resolver.fixups(
        program((Insn(MOV),), (ref(absent, "0:0"), ref(absent, "0", Kind.TYPE_ID_TARGET)))
    )
    assert ([each.new for each in found], read) == ([4, len(vmlinux)], ["vmlinux", "mod"])
    assert resolver.fixups(program((Insn(MOV),), (ref(root, "0", Kind.TYPE_SIZE),)))[0].new == 16
    assert read == ["vmlinux", "mod"]


def test_an_error_in_one_module_is_raised_again() -> None:
    local, target, root = structs([("a", INT, 0)])
    vmlinux = Btf(target.data(), name="vmlinux")
    good, bad = BtfWriter.after(vmlinux), BtfWriter.after(vmlinux)
    good.struct("s", 8, [("a", INT, 32)])
    bad.add(31, "unknown", 0)
    bad.struct("s", 8, [("a", INT, 64)])
    modules = [Btf(module.data(), vmlinux, name) for module, name in ((good, "good"), (bad, "bad"))]
    resolver = Resolver(Btf(local.data()), [vmlinux, *modules])
    for _ in range(2):
        with pytest.raises(RelocationError, match=r"bad: .*unknown kind 31"):
            resolver.fixups(program((Insn(MOV),), (ref(root, "0:0"),)))


def test_an_error_of_reading_a_target_is_raised_again() -> None:
    local, target, root = structs([("a", INT, 0)])

    def targets() -> Iterator[Btf]:
        yield Btf(target.data(), name="vmlinux")
        yield Btf(b"", name="module")

    resolver = Resolver(Btf(local.data()), targets)
    for _ in range(2):
        with pytest.raises(RelocationError, match=r"module: header: 0 bytes are too few"):
            resolver.fixups(program((Insn(MOV),), (ref(root, "0:0"),)))


def test_messages_name_program_and_relocation() -> None:
    local, target, root = structs([("a", INT, 0)], [("a", INT, 32)], [("a", INT, 64)])
    resolver = Resolver(Btf(local.data()), [Btf(target.data())])
    two = program((Insn(MOV),), (ref(root, "0", Kind.TYPE_ID_LOCAL), ref(root, "0:0")))
    with pytest.raises(
        RelocationError,
        match=r"^program 'prog': relocation 1 \(byte_off struct s\.a\): ambiguous: 2 ",
    ):
        resolver.fixups(two._replace(name="prog"))
    with pytest.raises(
        RelocationError,
        match=r"^program 'p\\x1b': relocation 0 \(kind 77 of type 5\): kind 77 is un",
    ):
        resolver.fixups(program((Insn(MOV),), (ref(root, "0", 77),))._replace(name="p\x1b"))
    with pytest.raises(RelocationError, match="instruction 9 does not exist"):
        resolver.fixups(program((Insn(MOV),), (ref(root, "0:0", at=9),)))
    with pytest.raises(RelocationError, match="there are only"):
        resolver.fixups(program((Insn(MOV),), (ref(1 << 31, "0:0"),)))


def test_anonymous_types_have_no_counterpart() -> None:
    local, target = BtfWriter(), BtfWriter()
    anonymous = local.struct("", 4, [("a", local.integer(), 0)])
    target.struct("", 4, [("a", target.integer(), 0)])
    for type_id in (anonymous, local.ptr(anonymous)):
        with pytest.raises(RelocationError, match="anonymous"):
            resolve(local, target, ref(type_id, "0", Kind.TYPE_EXISTS))
        assert resolve(local, target, ref(type_id, "0", Kind.TYPE_ID_LOCAL)).new == type_id


def test_str() -> None:
    moved = Fixup(
        insn=3,
        kind=0,
        old=4,
        new=1268,
        poison=False,
        validate=True,
        access="struct task_struct.tgid",
    )
    assert str(moved) == "struct task_struct.tgid byte_off 4 -> 1268"
    missing = Fixup(insn=3, kind=11, old=4, new=0, poison=True, validate=False, access="enum e::A")
    assert str(missing) == "enum e::A enumval_value 4 -> missing"


def test_a_type_with_very_many_candidates() -> None:
    """Every type of the object is compared with each of them."""
    w = BtfWriter()
    number = w.integer()
    found = [w.struct(f"s___{at}", 4, [("a", number, 0)]) for at in range(200)]
    local = Btf(w.data(), name="object")
    resolver = Resolver(local, [local])
    with pytest.raises(
        RelocationError, match="more than 32768 candidates for the types of the object"
    ):
        resolver.fixups(program((Insn(MOV),), tuple([ref(one, "0:0") for one in found])))
