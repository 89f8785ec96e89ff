"""Types of every kind that a kernel may refuse."""

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter


def everything() -> Btf:
    """Return types that make use of all that BTF has learnt since v4.18."""
    writer = BtfWriter()
    number, byte = writer.integer("int", 4), writer.integer("char", 1)
    real = writer.real("double", 8)
    tagged = writer.ptr(writer.type_tag("user", number))
    wide = writer.enum64("wide", {"W": 1 << 40})
    signed = writer.enum("signed", {"MINUS": -1}, signed=True)
    members = [
        ("real", real, 0),
        ("pointer", tagged, 64),
        ("wide", wide, 128),
        ("signed", signed, 192),
    ]
    holder = writer.struct("holder", 32, members)
    writer.decl_tag("tag=1", holder)
    writer.func("of_all", writer.func_proto(number, [("a", number)]))
    writer.func("of_this", writer.func_proto(0), 0)
    variables = [(writer.var("held", holder), 0, 32), (writer.var("small", byte, 0), 32, 1)]
    writer.datasec(".data", 33, variables)
    writer.datasec("?.data", 32, [(writer.var("other", holder), 0, 32)])
    return Btf(writer.data())
