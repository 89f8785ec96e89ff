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
from beepy.btf.layout import skip_mods, skip_mods_and_typedefs
from beepy.btf.types import CONTEXT_TAG, Kind, Linkage, TypeId
from beepy.btf.writer import BtfWriter
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
    writer = BtfWriter.after(btf)
    found = {}
    for prog_type, function in dict.fromkeys(uses):
        if function in places and prog_type in _NAMES:
            unnamed = {one for one in places[function] if _unnamed(btf, function, one, prog_type)}
            if unnamed:
                found[prog_type, function] = _add_function(writer, btf, function, unnamed, _NAMES[prog_type])
    return writer.append_to(btf), found


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
    _, pointer = skip_mods_and_typedefs(btf, proto.params[number].type)
    if not isinstance(pointer, types.Ptr):
        return False
    named_as = btf.type(skip_mods(btf, pointer.type))
    if prog_type in _OF_REGISTERS and isinstance(named_as, types.Typedef) and named_as.name == _REGISTERS:
        return False
    _, target = skip_mods_and_typedefs(btf, pointer.type)
    match target:
        case types.Void():
            return True
        case types.Struct(name=name):
            return name in _OF_REGISTERS.get(prog_type, ())
        case types.Int(size=8):
            return prog_type in _OF_WORDS
        case _:
            return False


def _add_function(writer: BtfWriter, btf: Btf, function: TypeId, numbers: set[int], context: str) -> TypeId:
    """Add a function like that one, but whose arguments of these numbers point to a struct called ``context``."""
    old = btf.type(function)
    assert isinstance(old, types.Func)
    proto = btf.type(old.type)
    assert isinstance(proto, types.FuncProto)
    pointer = writer.ptr(writer.struct(context, 0))
    params = [(param.name, pointer if number in numbers else param.type) for number, param in enumerate(proto.params)]
    return writer.func(old.name, writer.func_proto(proto.type, params), old.linkage)


def sample() -> tuple[bytes, bytes]:
    """Return BTF of a global function whose only argument is tagged, and func_info of it behind two instructions."""
    writer = BtfWriter()
    proto = writer.func_proto(writer.integer(), [("a", writer.ptr(0))])
    caller, callee = writer.func("a", proto, Linkage.STATIC), writer.func("a", proto, Linkage.GLOBAL)
    writer.decl_tag(CONTEXT_TAG, callee, 0)
    return writer.data(), struct.pack("<4I", 0, caller, 2, callee)
