import pytest

from beepy.btf.btf import MAX_NAME, Btf
from beepy.btf.writer import BtfWriter
from beepy.core.access import MAX_STEPS, AccessSpec, parse, show
from beepy.errors import BeepyError, BtfError, RelocationError
from beepy.uapi import CoreReloKind
from tests.support.core import ref


def sample(writer: BtfWriter) -> int:
    """Write struct sample.

    { int a; struct { int b; int c[7]; }; struct inner *p; struct inner in[2]; int tail[]; }
    """
    number = writer.integer()
    inner = writer.struct("inner", 8, [("x", number, 0), ("y", number, 32)])
    anonymous = writer.struct("", 32, [("b", number, 0), ("c", writer.array(number, 7), 32)])
    return writer.struct(
        "sample",
        64,
        [
            ("a", number, 0),
            ("", anonymous, 32),
            ("p", writer.ptr(inner), 320),
            ("in", writer.const(writer.array(inner, 2)), 384),
            ("tail", writer.array(number, 0), 512),
        ],
    )


def spec_of(access: str, kind: int = CoreReloKind.FIELD_BYTE_OFFSET) -> tuple[AccessSpec, str]:
    writer = BtfWriter()
    root = writer.typedef("sample_t", writer.const(sample(writer)))
    btf = Btf(writer.data())
    spec = parse(btf, ref(root, access, kind))
    return spec, show(btf, spec)


@pytest.mark.parametrize(
    ("access", "offset", "steps", "text"),
    [
        ("0", 0, 1, "typedef sample_t"),
        ("2", 1024, 1, "typedef sample_t[2]"),
        ("0:0", 0, 2, "typedef sample_t.a"),
        ("1:0", 512, 2, "typedef sample_t[1].a"),
        ("0:1:0", 32, 3, "typedef sample_t.b"),
        ("0:1:1:3", 160, 4, "typedef sample_t.c[3]"),
        ("0:1", 32, 2, "typedef sample_t"),
        ("0:2", 320, 2, "typedef sample_t.p"),
        ("0:3:1:1", 480, 4, "typedef sample_t.in[1].y"),
        ("0:4:1000", 512 + 32000, 3, "typedef sample_t.tail[1000]"),
        ("0:04", 512, 2, "typedef sample_t.tail"),
    ],
)
def test_field(access: str, offset: int, steps: int, text: str) -> None:
    spec, shown = spec_of(access)
    assert (spec.offset, spec.steps, shown) == (offset, steps, text)


@pytest.mark.parametrize(
    "access",
    [
        *(
            "",
            ":",
            "0:",
            ":0",
            "0::0",
            "-1",
            "0:-1",
            "a",
            "0 ",
            "0:1:1:7",
            "0:5",
            "0:0:0",
            "0:2:0",
            "0:1:0:0",
        ),
        *("0x0", "٣", "2147483648", "99999999999", "0" * 5000, "0:" * 100 + "0", "2147483647:0"),
        ":".join("0" * (MAX_STEPS + 1)),
    ],
)
def test_field_refused(access: str) -> None:
    with pytest.raises(RelocationError):
        spec_of(access)


@pytest.mark.parametrize("kind", [6, 7, 8, 9, 12])
def test_type(kind: int) -> None:
    spec, shown = spec_of("0", kind)
    assert (spec.accessors, shown) == ((), "typedef sample_t")
    with pytest.raises(RelocationError, match="expected 0 for a type"):
        spec_of("0:0", kind)


@pytest.mark.parametrize("kind", [-1, 13, 1 << 31])
def test_unknown_kind(kind: int) -> None:
    with pytest.raises(RelocationError, match="unknown"):
        spec_of("0", kind)


def test_enumerator() -> None:
    writer = BtfWriter()
    small = writer.enum("color", {"RED": 0, "GREEN": 5})
    wide = writer.typedef("wide_t", writer.enum64("wide", {"A": 1, "B": 1 << 40}))
    struct = writer.struct("s", 0)
    btf = Btf(writer.data())
    kind = CoreReloKind.ENUMVAL_VALUE
    assert show(btf, parse(btf, ref(small, "1", kind))) == "enum color::GREEN"
    assert show(btf, parse(btf, ref(wide, "0", kind))) == "typedef wide_t::A"
    for type_id, access in ((small, "2"), (small, "0:0"), (small, "x"), (struct, "0"), (99, "0")):
        with pytest.raises(BeepyError):
            parse(btf, ref(type_id, access, kind))


def test_no_size_and_loops_are_refused() -> None:
    writer = BtfWriter()
    forward = writer.fwd("f")
    loop = writer.const(writer.next_id)
    flat = writer.array(writer.next_id, 1)
    btf = Btf(writer.data())
    for type_id in (forward, loop, flat, 0):
        with pytest.raises(BtfError):
            parse(btf, ref(type_id, "0:0"))


def test_text_is_safe_and_short() -> None:
    writer = BtfWriter()
    hostile = writer.struct("a\x1b[2J", 0)
    long = writer.struct("x" * MAX_NAME, 0)
    btf = Btf(writer.data())
    assert "\x1b" not in show(btf, AccessSpec(hostile))
    assert len(show(btf, AccessSpec(long))) < 300
