"""Rewrite arguments that are tagged as the program's context, for kernels that do not read the tag.

Kernels read the tag ``arg:ctx`` of a global function's argument since v6.8 (94e1c70a3452, "bpf:
support 'arg:xxx' btf_decl_tag-based hints for global subprog args"). An older one takes an argument
for the context only if it points to a struct of the right name. So each tagged function gets a
second type whose argument does, as libbpf's ``bpf_program_fixup_func_info`` does.
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
"""Program type -> the struct that is its context.

The kernel knows the context of no other program type by name.
"""

_REGISTERS: Final = "bpf_user_pt_regs_t"
# structs that may be declared in its place
_REGISTER_STRUCTS: Final[Mapping[ProgType, frozenset[str]]] = {
    ProgType.KPROBE: frozenset({"pt_regs"}),
    ProgType.PERF_EVENT: frozenset({"pt_regs", "user_pt_regs", "user_regs_struct"}),
}
# may declare their context as u64 *
_WORD_ARRAYS: Final = (ProgType.RAW_TRACEPOINT, ProgType.RAW_TRACEPOINT_WRITABLE)


def tagged(btf: Btf) -> dict[TypeId, set[int]]:
    """Return the global functions with tagged arguments, and the numbers of these arguments."""
    numbers: dict[TypeId, set[int]] = {}
    for type_id in btf.named(CONTEXT_TAG):
        tag = btf.type(type_id)
        if (
            isinstance(tag, types.DeclTag)
            and tag.component >= 0
            and btf.kind(tag.type) is Kind.FUNC
        ):
            function = btf.type(tag.type)
            if (
                not isinstance(function, types.Func)
                or btf.kind(function.type) is not Kind.FUNC_PROTO
            ):
                continue
            if function.linkage == Linkage.GLOBAL:
                numbers.setdefault(tag.type, set()).add(tag.component)
    return numbers


def rewrite_ctx_args(
    btf: Btf, uses: Iterable[tuple[ProgType, TypeId]]
) -> tuple[Btf, dict[tuple[ProgType, TypeId], TypeId]]:
    """Return the types with a second one for each tagged function that a program of some type uses.

    Every id stays; the second value maps (type of program, function) to the function's second type.
    """
    tags = tagged(btf)
    writer = BtfWriter.after(btf)
    rewritten = {}
    for prog_type, function in dict.fromkeys(uses):
        if function in tags and prog_type in _NAMES:
            numbers = {
                number
                for number in tags[function]
                if _needs_fixup(btf, function, number, prog_type)
            }
            if numbers:
                rewritten[prog_type, function] = _add_function(
                    writer, btf, function, numbers, _NAMES[prog_type]
                )
    return writer.append_to(btf), rewritten


def _needs_fixup(btf: Btf, function: TypeId, number: int, prog_type: ProgType) -> bool:
    """Tell whether an argument needs another type: libbpf's ``need_func_arg_type_fixup``.

    An argument of the right type does not; one whose type is that of no context is left to the
    verifier.
    """
    func = btf.type(function)
    assert isinstance(func, types.Func)
    proto = btf.type(func.type)
    assert isinstance(proto, types.FuncProto)
    if number >= len(proto.params):
        return False
    _, pointer = skip_mods_and_typedefs(btf, proto.params[number].type)
    if not isinstance(pointer, types.Ptr):
        return False
    declared_as = btf.type(skip_mods(btf, pointer.type))
    if (
        prog_type in _REGISTER_STRUCTS
        and isinstance(declared_as, types.Typedef)
        and declared_as.name == _REGISTERS
    ):
        return False
    _, target = skip_mods_and_typedefs(btf, pointer.type)
    match target:
        case types.Void():
            return True
        case types.Struct(name=name):
            return name in _REGISTER_STRUCTS.get(prog_type, ())
        case types.Int(size=8):
            return prog_type in _WORD_ARRAYS
        case _:
            return False


def _add_function(
    writer: BtfWriter, btf: Btf, function: TypeId, numbers: set[int], context: str
) -> TypeId:
    """Add a copy of a function with pointers to a struct ``context`` as arguments ``numbers``."""
    old = btf.type(function)
    assert isinstance(old, types.Func)
    proto = btf.type(old.type)
    assert isinstance(proto, types.FuncProto)
    pointer = writer.ptr(writer.struct(context, 0))
    params = [
        (param.name, pointer if number in numbers else param.type)
        for number, param in enumerate(proto.params)
    ]
    return writer.func(old.name, writer.func_proto(proto.type, params), old.linkage)


def sample() -> tuple[bytes, bytes]:
    """Return BTF of a global function with one tagged argument, and func_info of its caller.

    The caller has two instructions, after which the function begins.
    """
    writer = BtfWriter()
    proto = writer.func_proto(writer.integer(), [("a", writer.ptr(0))])
    caller, callee = (
        writer.func("a", proto, Linkage.STATIC),
        writer.func("a", proto, Linkage.GLOBAL),
    )
    writer.decl_tag(CONTEXT_TAG, callee, 0)
    return writer.data(), struct.pack("<4I", 0, caller, 2, callee)
