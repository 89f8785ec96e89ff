"""What the types of Inspektor Gadget's vocabulary become in records."""

import struct

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.events.batch import Machine, Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import fields
from beepy.obj.presentation import Presentation
from tests.support.events import ring, snapshot
from tests.support.gadget_types import Vocabulary

MACHINE = Machine(
    user=lambda number: {0: "root"}.get(number, ""),
    group=lambda number: f"group{number}",
    kernel_stack=lambda number: f"kernel stack {number}",
    user_stack=lambda number: f"user stack {number}",
    user_symbols=lambda pid, number: f"stack {number} of {pid}",
)


def schema(types: Vocabulary, record: TypeId) -> Schema:
    btf = Btf(types.writer.data(), name="object")
    return Schema("image", "trace", None, btf, record, vocabulary="gadget", machine=MACHINE)


def row(of: Schema, *data: bytes) -> dict[str, object]:
    """Return the fields of a record."""
    decoder = Decoder(of)
    columns = decoder.values(ring(of, [b"".join(data)]), decoder.fields)
    return {f.name: values[0] for f, values in zip(decoder.fields, columns, strict=True)}


def test_numbers_keep_their_fields_and_get_texts_beside_them() -> None:
    t = Vocabulary()
    record = t.writer.struct(
        "event",
        24,
        [
            ("error_raw", t.typedef("errno"), 0),
            ("sig_raw", t.typedef("signal"), 32),
            ("size_raw", t.typedef("bytes", 64), 64),
            ("errno", t.typedef("errno"), 128),
            ("stack_raw", t.typedef("kernel_stack"), 160),
        ],
    )
    assert row(schema(t, record), struct.pack("<IIQII", 2, 9, 4096, 13, 7)) == {
        "error_raw": 2,
        "error": "ENOENT",
        "sig_raw": 9,
        "sig": "SIGKILL",
        "size_raw": 4096,
        "size": "4.1 kB",
        "errno": 13,  # without _raw the meaning has no name
        "stack_raw": 7,
        "stack": "kernel stack 7",
    }


def test_users_and_hidden_members() -> None:
    t = Vocabulary()
    record = t.writer.struct("event", 56, [("proc", t.process, 0), ("__key", t.u32, 52 * 8)])
    raw = struct.pack("<16sIIII16sII", b"cat", 1, 2, 0, 5, b"sh", 3, 9)
    assert row(schema(t, record), raw) == {
        "proc.comm": "cat",
        "proc.pid": 1,
        "proc.tid": 2,
        "proc.creds.uid": 0,
        "proc.creds.user": "root",
        "proc.creds.gid": 5,
        "proc.creds.group": "group5",
        "proc.parent.comm": "sh",
        "proc.parent.pid": 3,
    }


def test_enums_and_sets_of_bits() -> None:
    t = Vocabulary()
    kind = t.writer.enum("kind", {"connect": 0, "accept": 1})
    how = t.writer.enum("how_set", {"NONE": 0, "FAST": 1, "SAFE": 2})
    record = t.writer.struct(
        "event",
        16,
        [("kind_raw", kind, 0), ("how_raw", how, 32), ("kind2", kind, 64), ("how", how, 96)],
    )
    of = schema(t, record)
    assert row(of, struct.pack("<4I", 1, 3, 0, 1)) == {
        "kind_raw": 1,
        "kind": "accept",
        "how_raw": 3,
        "how": "FAST",  # there is such a field already
        "kind2": "connect",
    }
    record = t.writer.struct("event2", 8, [("kind_raw", kind, 0), ("how_raw", how, 32)])
    of = schema(t, record)
    assert row(of, struct.pack("<2I", 7, 7)) == {
        "kind_raw": 7,
        "kind": "7",
        "how_raw": 7,
        "how": "FAST|SAFE|0x4",
    }
    assert row(of, bytes(8))["how"] == "NONE"


def test_the_version_chooses_the_address() -> None:
    t = Vocabulary()
    record = t.writer.struct("event", 64, [("src", t.endpoint, 0), ("dst", t.endpoint, 256)])
    v4 = struct.pack("<4s12xHHBxxx8x", bytes((127, 0, 0, 1)), 80, 6, 4)
    v6 = struct.pack("<16sHHBxxx8x", bytes(15) + b"\1", 443, 17, 6)
    assert row(schema(t, record), v4, v6) == {
        "src.endpoint": "127.0.0.1:80",
        "src.addr": "127.0.0.1",
        "src.port": 80,
        "src.proto_raw": 6,
        "src.proto": "TCP",
        "src.version": 4,
        "dst.endpoint": "[::1]:443",
        "dst.addr": "::1",
        "dst.port": 443,
        "dst.proto_raw": 17,
        "dst.proto": "UDP",
        "dst.version": 6,
    }
    assert row(schema(t, record), bytes(64))["src.addr"] == ""


def test_an_address_without_a_port_and_one_without_a_version() -> None:
    t = Vocabulary()
    record = t.writer.struct("event", 48, [("host", t.l3, 0), ("gate", t.address, 256)])
    raw = struct.pack("<4s12xB15x4s12x", bytes((10, 0, 0, 1)), 4, bytes((10, 0, 0, 2)))
    found = row(schema(t, record), raw)
    assert {**found, "gate.v6": "", "gate.v6_raw": 0} == {
        "host.addr": "10.0.0.1",
        "host.version": 4,
        "gate.v4": "10.0.0.2",
        "gate.v6": "",
        "gate.v6_raw": 0,
    }


def test_a_user_stack_is_shown_by_its_number() -> None:
    t = Vocabulary()
    stack = t.writer.struct("gadget_user_stack", 8, [("stack_id", t.u32, 0), ("major", t.u32, 32)])
    record = t.writer.struct("event", 12, [("ustack_raw", stack, 0), ("pid", t.u32, 64)])
    found = row(schema(t, record), struct.pack("<III", 3, 8, 1))
    assert [*found] == [
        *("ustack_raw.stack_id", "ustack_raw.addresses", "ustack_raw.symbols"),  # one struct
        *("ustack_raw.major", "ustack", "pid"),
    ]
    assert found == {
        "ustack_raw.major": 8,
        "ustack_raw.stack_id": 3,
        "ustack_raw.addresses": "user stack 3",
        "ustack_raw.symbols": "user stack 3",
        "ustack": "user stack 3",
        "pid": 1,
    }


def test_a_user_stack_is_that_of_its_process() -> None:
    t = Vocabulary()
    members = [("tgid_level0", t.u32, 0), ("inode", t.u64, 64), ("stack_id", t.u32, 128)]
    stack = t.writer.struct("gadget_user_stack", 24, members)
    record = t.writer.struct("event", 24, [("ustack", stack, 0)])
    found = row(schema(t, record), struct.pack("<I4xQI4x", 9, 1, 3))
    assert found["ustack.symbols"] == "stack 3 of 9"
    assert row(schema(t, record), bytes(24))["ustack.symbols"] == ""  # not collected


@pytest.mark.parametrize("name", ["pid", "error", "proc"])
def test_a_name_that_a_field_has_is_not_given_again(name: str) -> None:
    """Whether the field is in the record, is added, or is a struct: images choose names."""
    t = Vocabulary()
    error, uid, gid = t.typedef("errno"), t.typedef("uid"), t.typedef("gid")
    members = [("pid", t.u32, 0), ("error_raw", error, 32), ("uid", uid, 64), ("gid", gid, 96)]
    record = t.writer.struct("event", 68, [*members, ("proc", t.process, 128)])
    targets = {"uid": name, "gid": name}
    looks = Presentation({}, rest=name, targets=targets)
    of = schema(t, record)._replace(presentation=looks)
    names = [field.name for field in fields(of)]
    assert sorted(names) == sorted({*names})
    assert not any(other.startswith(f"{name}.") for other in names if name in names)
    row(of, bytes(80))


def test_what_follows_a_record() -> None:
    t = Vocabulary()
    record = t.writer.struct("event", 8, [("pid", t.u32, 0), ("data_len", t.u32, 32)])
    of = schema(t, record)
    whole = of._replace(presentation=Presentation({}, rest="data"))
    counted = of._replace(presentation=Presentation({}, rest="data", rest_length="data_len"))
    raw = struct.pack("<II5s", 1, 3, b"abcde")
    assert row(whole, raw)["data"] == b"abcde".hex()
    assert row(counted, raw)["data"] == b"abc".hex()
    assert row(counted, struct.pack("<II", 1, 3))["data"] == ""
    assert row(counted, struct.pack("<I", 1)) == {"pid": 1, "data_len": None, "data": ""}
    too_long = struct.pack("<II2s", 1, 1 << 31, b"ab")
    assert row(counted, too_long)["data"] == b"ab".hex()


def test_a_short_record_has_no_derived_values() -> None:
    t = Vocabulary()
    record = t.writer.struct("event", 8, [("pid", t.u32, 0), ("error_raw", t.typedef("errno"), 32)])
    found = row(schema(t, record), struct.pack("<I", 1))
    assert found == {"pid": 1, "error_raw": None, "error": None}


def test_the_rows_of_tables_are_flat() -> None:
    t = Vocabulary()
    key = t.writer.struct("key", 8, [("op", t.u32, 0), ("__pad", t.u32, 32)])
    value = t.writer.struct("value", 16, [("op", t.u64, 0), ("calls", t.u64, 64)])
    btf = Btf(t.writer.data(), name="object")
    of = Schema(
        "image",
        "t",
        None,
        btf,
        key=key,
        value=value,
        key_size=8,
        value_size=16,
        vocabulary="gadget",
    )
    decoder = Decoder(of)
    batch = snapshot(of, [(struct.pack("<II", 1, 9), struct.pack("<QQ", 2, 3))])
    columns = decoder.values(batch, decoder.fields)
    names = [field.name for field in decoder.fields]
    assert dict(zip(names, [column[0] for column in columns], strict=True)) == {
        "op": 1,
        "op_": 2,
        "calls": 3,
    }


def test_names_of_users_have_the_field_that_the_image_gives() -> None:
    t = Vocabulary()
    members = [("loginuid", t.typedef("uid"), 0), ("tracer_gid_raw", t.typedef("gid"), 32)]
    of = schema(t, t.writer.struct("event", 8, members))
    targets = {"loginuid": "loginuser", "tracer_gid_raw": "tracer_group"}
    named = of._replace(presentation=Presentation({}, targets=targets))
    assert row(named, struct.pack("<II", 0, 5)) == {
        "loginuid": 0,
        "loginuser": "root",
        "tracer_gid_raw": 5,
        "tracer_group": "group5",
    }


def test_an_array_of_several_texts() -> None:
    t = Vocabulary()
    members = [
        ("args_count", t.u32, 0),
        ("args_size", t.u32, 32),
        ("pid", t.u32, 64),
        ("args", t.writer.array(t.char, 16), 96),
    ]
    of = schema(t, t.writer.struct("event", 28, members))

    def args(data: bytes, size: int) -> object:
        return row(of, struct.pack("<III", 2, size, 7), data)["args"]

    assert args(b"sh\0-c\0two words\0", 16) == "sh\xa0-c\xa0two words"
    assert args(b"sh\0-c\0stale words", 6) == "sh\xa0-c"
    assert args(b"sh\0-c\0", 6) == "sh\xa0-c"  # the record ends with them
    assert args(b"sh\0\0", 4) == "sh\xa0"
    assert args(b"sh\0too lo", 1 << 31) == "sh\xa0too lo"
    assert args(b"", 0) == ""
    assert args(b"a\x1b\xff\0", 4) == "a\x1b\\xff"
    for without in (members[1:], members[:1] + members[2:]):
        plain = t.writer.struct("event", 28, without)
        assert row(schema(t, plain), b"\0" * 12, b"sh\0-c\0".ljust(16, b"\0"))["args"] == "sh"
