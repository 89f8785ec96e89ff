"""Global functions with an argument that is tagged as the program's context, for kernels that do not read the tag.

A kernel reads ``arg:ctx`` from v6.8 on (94e1c70a3452, "bpf: support 'arg:xxx' btf_decl_tag-based hints for global
subprog args"). Before, it takes an argument for a context if it points to the struct of a certain name: such functions
get another type that says so, as libbpf's ``bpf_program_fixup_func_info`` gives them.
"""

import struct
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.header import encode
from beepy.btf.layout import resolve, strip
from beepy.btf.types import CONTEXT_TAG, Kind, Linkage, TypeId
from beepy.uapi import ProgType

_NAMES: Final[Mapping[ProgType, str]] = MappingProxyType(
    {
        ProgType.CGROUP_DEVICE: "bpf_cgroup_dev_ctx",
        ProgType.CGROUP_SKB: "__sk_buff",
        ProgType.CGROUP_SOCK: "bpf_sock",
        ProgType.CGROUP_SOCK_ADDR: "bpf_sock_addr",
        ProgType.CGROUP_SOCKOPT: "bpf_sockopt",
        ProgType.CGROUP_SYSCTL: "bpf_sysctl",
        ProgType.FLOW_DISSECTOR: "__sk_buff",
        ProgType.KPROBE: "bpf_user_pt_regs_t",
        ProgType.LWT_IN: "__sk_buff",
        ProgType.LWT_OUT: "__sk_buff",
        ProgType.LWT_SEG6LOCAL: "__sk_buff",
        ProgType.LWT_XMIT: "__sk_buff",
        ProgType.NETFILTER: "bpf_nf_ctx",
        ProgType.PERF_EVENT: "bpf_perf_event_data",
        ProgType.RAW_TRACEPOINT: "bpf_raw_tracepoint_args",
        ProgType.RAW_TRACEPOINT_WRITABLE: "bpf_raw_tracepoint_args",
        ProgType.SCHED_ACT: "__sk_buff",
        ProgType.SCHED_CLS: "__sk_buff",
        ProgType.SK_LOOKUP: "bpf_sk_lookup",
        ProgType.SK_MSG: "sk_msg_md",
        ProgType.SK_REUSEPORT: "sk_reuseport_md",
        ProgType.SK_SKB: "__sk_buff",
        ProgType.SOCK_OPS: "bpf_sock_ops",
        ProgType.SOCKET_FILTER: "__sk_buff",
        ProgType.XDP: "xdp_md",
    }
)
"""Program type -> the struct that its context is; those of other types have no name."""

_REGISTERS: Final = "bpf_user_pt_regs_t"
_OF_REGISTERS: Final[Mapping[ProgType, frozenset[str]]] = {  # structs that stand for a context of registers
    ProgType.KPROBE: frozenset({"pt_regs"}),
    ProgType.PERF_EVENT: frozenset({"pt_regs", "user_pt_regs", "user_regs_struct"}),
}
_OF_WORDS: Final = (ProgType.RAW_TRACEPOINT, ProgType.RAW_TRACEPOINT_WRITABLE)  # u64 * stands for a context


def tagged(btf: Btf) -> dict[TypeId, set[int]]:
    """Return the global functions with a context among their arguments, and the numbers of those."""
    found: dict[TypeId, set[int]] = {}
    for type_id in btf.named(CONTEXT_TAG):
        tag = btf.type(type_id)
        if isinstance(tag, types.DeclTag) and tag.component >= 0 and btf.kind(tag.type) is Kind.FUNC:
            function = btf.type(tag.type)
            if not isinstance(function, types.Func) or btf.kind(function.type) is not Kind.FUNC_PROTO:
                continue
            if function.linkage == Linkage.GLOBAL:
                found.setdefault(tag.type, set()).add(tag.component)
    return found


def named(btf: Btf, uses: Iterable[tuple[ProgType, TypeId]]) -> tuple[Btf, dict[tuple[ProgType, TypeId], TypeId]]:
    """Return the types with another one for each tagged function that a program of some type uses; every id stays."""
    places = tagged(btf)
    adding = _Adding(btf)
    found = {}
    for prog_type, function in dict.fromkeys(uses):
        if function in places and prog_type in _NAMES:
            unnamed = {one for one in places[function] if _unnamed(btf, function, one, prog_type)}
            if unnamed:
                found[prog_type, function] = adding.function(function, unnamed, _NAMES[prog_type])
    return adding.result(), found


def _unnamed(btf: Btf, function: TypeId, number: int, prog_type: ProgType) -> bool:
    """Tell whether an argument is to be told by name: libbpf's ``need_func_arg_type_fixup``.

    One that has the right type needs none; one of a type that is no context's is left to the verifier.
    """
    declared = btf.type(function)
    assert isinstance(declared, types.Func)
    proto = btf.type(declared.type)
    assert isinstance(proto, types.FuncProto)
    if number >= len(proto.params):
        return False
    _, pointer = resolve(btf, proto.params[number].type)
    if not isinstance(pointer, types.Ptr):
        return False
    named_as = btf.type(strip(btf, pointer.type))
    if prog_type in _OF_REGISTERS and isinstance(named_as, types.Typedef) and named_as.name == _REGISTERS:
        return False
    _, target = resolve(btf, pointer.type)
    match target:
        case types.Void():
            return True
        case types.Struct(name=name):
            return name in _OF_REGISTERS.get(prog_type, ())
        case types.Int(size=8):
            return prog_type in _OF_WORDS
        case _:
            return False


class _Adding:
    """Types that are to stand behind others, as words, with their strings."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._count = 0
        self._words: list[int] = []
        self._strings = b""

    def function(self, function: TypeId, places: set[int], context: str) -> TypeId:
        """Add a function like that one, whose arguments at ``places`` point to a struct of that name."""
        old = self._btf.type(function)
        assert isinstance(old, types.Func)
        proto = self._btf.type(old.type)
        assert isinstance(proto, types.FuncProto)
        holder = self._add(self._string(context), Kind.STRUCT << 24, 0)
        pointer = self._add(0, Kind.PTR << 24, holder)
        params = [
            (self._string(param.name), pointer if number in places else param.type)
            for number, param in enumerate(proto.params)
        ]
        words = [word for param in params for word in param]
        new = self._add(0, Kind.FUNC_PROTO << 24 | len(params), proto.type, *words)
        return self._add(self._string(old.name), Kind.FUNC << 24 | old.linkage, new)

    def result(self) -> Btf:
        return self._btf.extended(struct.pack(f"<{len(self._words)}I", *self._words), self._strings)

    def _add(self, *words: int) -> TypeId:
        self._words += words
        self._count += 1
        return TypeId(len(self._btf) + self._count - 1)

    def _string(self, text: str) -> int:
        offset = self._btf.string_end + len(self._strings)
        self._strings += text.encode("utf-8", "backslashreplace") + b"\0"
        return offset


def sample() -> tuple[bytes, bytes]:
    """Return BTF of a global function whose only argument is tagged, and func_info of it behind two instructions."""
    words = (
        *(1, Kind.INT << 24, 4, 1 << 24 | 32),  # [1] int
        *(0, Kind.PTR << 24, 0),  # [2] void *
        *(0, Kind.FUNC_PROTO << 24 | 1, 1, 5, 2),  # [3] int (*)(void *a)
        *(5, Kind.FUNC << 24 | Linkage.STATIC, 3),
        *(5, Kind.FUNC << 24 | Linkage.GLOBAL, 3),
        *(7, Kind.DECL_TAG << 24, 5, 0),
    )
    types_ = encode(struct.pack(f"<{len(words)}I", *words), f"\0int\0a\0{CONTEXT_TAG}\0".encode())
    return types_, struct.pack("<4I", 0, 4, 2, 5)
