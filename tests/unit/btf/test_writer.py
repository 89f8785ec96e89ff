"""What the writer encodes is what ``Btf`` reads; ``test_btf.test_every_kind`` holds every kind."""

import struct

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import Kind, TypeId
from beepy.btf.writer import BtfWriter


def test_the_bytes_of_a_type() -> None:
    writer = BtfWriter()
    assert writer.integer("int") == 1
    assert writer.data() == (
        struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 16, 16, 5)
        + struct.pack("<4I", 1, 1 << 24, 4, 1 << 24 | 32)
        + b"\0int\0"
    )


def test_equal_names_share_their_string() -> None:
    writer = BtfWriter()
    writer.fwd("a")
    writer.fwd("a")
    assert writer.strings == b"\0a\0"


def test_a_negative_word_is_taken_modulo_its_size() -> None:
    writer = BtfWriter()
    tag = writer.decl_tag("tag", writer.fwd("a"))
    assert writer.types[tag - 1] == struct.pack(
        "<4I", writer.string("tag"), Kind.DECL_TAG << 24, 1, 0xFFFFFFFF
    )


def test_types_are_appended_to_others() -> None:
    writer = BtfWriter()
    integer = writer.integer()
    before = Btf(writer.data(), name="object")
    added = BtfWriter.after(before)
    pointer = added.ptr(added.typedef("int_t", integer))
    after = added.append_to(before)
    assert after.name == "object"
    assert after.type(integer) == before.type(integer)
    assert after.type(pointer) == types.Ptr(TypeId(pointer - 1))
    assert after.type(TypeId(pointer - 1)) == types.Typedef("int_t", integer)


def test_appending_nothing_changes_nothing() -> None:
    writer = BtfWriter()
    writer.integer()
    before = Btf(writer.data())
    assert BtfWriter.after(before).append_to(before).data == before.data


def test_split_btf_continues_its_base() -> None:
    writer = BtfWriter()
    integer = writer.integer()
    base = Btf(writer.data())
    added = BtfWriter.after(base)
    pointer = added.ptr(integer)
    named = added.typedef("int_t", pointer)
    split = Btf(added.data(), base)
    assert split.named("int_t") == (named,)
    assert split.type(pointer) == types.Ptr(integer)
