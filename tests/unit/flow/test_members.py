"""What begins at an offset of a struct, and which stores fit its members."""

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.flow.budget import Budget
from beepy.flow.members import Place, composites, fits

WRITER = BtfWriter()
CHAR, U32 = WRITER.integer("char", 1), WRITER.integer("unsigned int", 4, 0)
U64 = WRITER.integer("unsigned long long", 8, 0)
INNER = WRITER.struct(
    "inner", 16, [("u32", U32, 0), ("text", WRITER.array(CHAR, 4), 32), ("u64", U64, 64)]
)
EITHER = WRITER.union("", 8, [("u64", U64, 0), ("u32", WRITER.array(U32, 2), 0)])
OUTER = WRITER.struct(
    "outer",
    48,
    [("a", INNER, 0), ("b", WRITER.const(INNER), 128), ("", EITHER, 256), ("end", U32, 320)],
)
PACKED = WRITER.struct("packed", 9, [("a", CHAR, 0), ("u64", U64, 8)])
NONE = WRITER.array(INNER, 0)
BTF = Btf(WRITER.data())


def found(offset: int, size: int | None = None, type_id: int = OUTER) -> list[int]:
    return [*composites(BTF, Place(TypeId(type_id), offset), size, Budget())]


def test_composites() -> None:
    assert found(0) == [OUTER, INNER]
    assert found(0, 16) == [INNER]
    assert found(0, 48) == [OUTER]
    assert found(16) == [INNER]
    assert found(32) == [EITHER]
    assert found(4) == found(44) == found(999) == found(-1) == []
    assert found(16, type_id=NONE) == []


@pytest.mark.parametrize(
    ("offset", "size", "allowed"),
    [
        (0, 4, True),
        (0, 8, True),
        (0, 2, False),
        (2, 2, False),
        (4, 1, True),
        (7, 1, True),
        (8, 8, True),
        (8, 4, False),
        (12, 4, False),
        (24, 8, True),
        (32, 8, True),
        (36, 4, True),  # of the union's other member
        (38, 2, False),
        (44, 4, True),  # padding
        (999, 4, True),
    ],
)
def test_fits(offset: int, size: int, allowed: bool) -> None:
    assert fits(BTF, Place(TypeId(OUTER), offset), size, Budget()) is allowed


def test_members_that_are_not_aligned_are_stored_in_parts() -> None:
    assert fits(BTF, Place(TypeId(PACKED), 1), 1, Budget())
    assert fits(BTF, Place(TypeId(PACKED), 5), 1, Budget())


def test_nothing_is_known_beyond_the_budget() -> None:
    spent = Budget(0)
    assert [*composites(BTF, Place(TypeId(OUTER), 0), 16, spent)] == []
    assert fits(BTF, Place(TypeId(OUTER), 0), 2, spent)
