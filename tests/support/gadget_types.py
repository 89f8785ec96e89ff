"""The types of Inspektor Gadget's vocabulary, written as BTF."""

from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter


class Vocabulary:
    """Its typedefs by name, and its structs."""

    def __init__(self) -> None:
        self.writer = w = BtfWriter()
        self.u8 = w.integer("u8", 1, 0)
        self.u16 = w.integer("u16", 2, 0)
        self.u32 = w.integer("u32", 4, 0)
        self.u64 = w.integer("u64", 8, 0)
        self.char = w.integer("char", 1)
        wide = w.integer("unsigned __int128", 16, 0)
        bytes16 = w.array(self.u8, 16)
        members = [("v6", bytes16, 0), ("v6_raw", wide, 0), ("v4", self.u32, 0)]
        self.address = w.union("gadget_ip_addr_t", 16, members)
        self.endpoint = w.struct(
            "gadget_l4endpoint_t",
            32,
            [
                ("addr_raw", self.address, 0),
                ("port", self.u16, 128),
                ("proto_raw", self.u16, 144),
                ("version", self.u8, 160),
            ],
        )
        self.l3 = w.struct(
            "gadget_l3endpoint_t", 32, [("addr_raw", self.address, 0), ("version", self.u8, 128)]
        )
        creds = [("uid", self.typedef("uid"), 0), ("gid", self.typedef("gid"), 32)]
        self.creds = w.struct("gadget_creds", 8, creds)
        comm = w.array(w.typedef("gadget_comm", self.char), 16)
        parent = [("comm", comm, 0), ("pid", self.typedef("ppid"), 128)]
        self.parent = w.struct("gadget_parent", 20, parent)
        self.process = w.struct(
            "gadget_process",
            52,
            [
                ("comm", comm, 0),
                ("pid", self.typedef("pid"), 128),
                ("tid", self.typedef("tid"), 160),
                ("creds", self.creds, 192),
                ("parent", self.parent, 256),
            ],
        )

    def typedef(self, name: str, bits: int = 32) -> TypeId:
        """Return the typedef ``gadget_NAME`` of an integer."""
        return self.writer.typedef(f"gadget_{name}", self.u64 if bits == 64 else self.u32)
