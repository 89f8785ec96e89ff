import pytest

from beepy.btf.btf import Btf
from beepy.btf.cformat import c_type
from beepy.btf.writer import BtfWriter


def shown(writer: BtfWriter, type_id: int) -> str:
    return c_type(Btf(writer.data(), name="object"), type_id)  # type: ignore[arg-type]


@pytest.fixture
def w() -> BtfWriter:
    writer = BtfWriter()
    writer.integer("int")
    return writer


INT = 1


def test_named_types(w: BtfWriter) -> None:
    ids = {
        "int": INT,
        "float": w.real("float", 4),
        "u32": w.typedef("u32", INT),
        "struct s": w.struct("s", 4),
        "union u": w.union("u", 4),
        "enum e": w.enum("e", {}),
        "enum big": w.enum64("big", {}),
        "struct f": w.fwd("f"),
        "union g": w.fwd("g", union=True),
        "main": w.func("main", w.func_proto(0)),
        ".data": w.datasec(".data", 0),
        "void": 0,
    }
    for text, type_id in ids.items():
        assert shown(w, type_id) == text


def test_anonymous_types(w: BtfWriter) -> None:
    assert shown(w, w.struct("", 4)) == "struct {...}"
    assert shown(w, w.union("", 4)) == "union {...}"
    assert shown(w, w.enum("", {})) == "enum {...}"


def test_pointers_and_arrays(w: BtfWriter) -> None:
    assert shown(w, w.ptr(w.ptr(INT))) == "int **"
    assert shown(w, w.array(w.array(INT, 3), 2)) == "int[2][3]"
    assert shown(w, w.array(w.ptr(0), 2)) == "void *[2]"


def test_qualifiers(w: BtfWriter) -> None:
    assert shown(w, w.ptr(w.const(w.struct("s", 4)))) == "const struct s *"
    assert shown(w, w.volatile(INT)) == "volatile int"
    assert shown(w, w.restrict(w.ptr(INT))) == "restrict int *"
    assert shown(w, w.ptr(w.type_tag("user", INT))) == "int *"
    assert shown(w, w.var("x", INT)) == "int"
    assert shown(w, w.decl_tag("tag", INT)) == "int"


def test_functions(w: BtfWriter) -> None:
    inner = w.func_proto(0, [("a", INT)])
    assert shown(w, inner) == "void (int)"
    assert (
        shown(w, w.func_proto(INT, [("f", w.ptr(inner)), ("b", INT)])) == "int (void (...) *, int)"
    )


def test_functions_of_functions_of_functions_end(w: BtfWriter) -> None:
    """Each takes its predecessor three times: in full, the last would have 3 ** 15 parameters."""
    proto = w.func_proto(INT)
    for _ in range(15):
        proto = w.func_proto(proto, [("a", proto), ("b", proto), ("c", proto)])
    assert len(shown(w, proto)) < 1000


def test_too_deep(w: BtfWriter) -> None:
    own = w.ptr(len(w.types) + 1)
    assert shown(w, own) == "... " + "*" * 17


def test_names_are_harmless(w: BtfWriter) -> None:
    assert shown(w, w.struct("\x1b[2J", 4)) == "struct \\x1b[2J"


def test_a_long_name_is_cut(w: BtfWriter) -> None:
    assert shown(w, w.struct("s" * 60_000, 0)) == f"struct {'s' * 511}..."
    assert shown(w, w.typedef("t" * 511, INT)) == "t" * 511
