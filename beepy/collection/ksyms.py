"""Resolve the object's ``.ksyms`` externs: variables by type or by address, and kfuncs."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.btf.names import essential_name
from beepy.btf.types import VOID, Kind, TypeId
from beepy.core.match import Matcher
from beepy.errors import RelocationError
from beepy.host import machine
from beepy.kernel import btf as kernel_btf
from beepy.obj.sections import KSYMS
from beepy.obj.spec import CollectionSpec, ExternSpec
from beepy.sys.fd import Fd
from beepy.text import safe

_MODULES: Final[Mapping[str, str]] = {  # module -> the kfuncs that it has
    "nf_conntrack": """
        bpf_xdp_ct_alloc bpf_xdp_ct_lookup bpf_skb_ct_alloc bpf_skb_ct_lookup bpf_ct_insert_entry
        bpf_ct_release bpf_ct_set_timeout bpf_ct_change_timeout bpf_ct_set_status
        bpf_ct_change_status""",
    "nf_nat": "bpf_ct_set_nat_info",
    "nf_flow_table": "bpf_xdp_flow_lookup",
    "xfrm_interface": "bpf_skb_get_xfrm_info bpf_skb_set_xfrm_info",
    "fou": "bpf_skb_get_fou_encap bpf_skb_set_fou_encap",
    "tcp_bbr": """
        bbr_init bbr_main bbr_sndbuf_expand bbr_undo_cwnd bbr_cwnd_event bbr_ssthresh
        bbr_min_tso_segs bbr_set_state""",
    "tcp_dctcp": """
        dctcp_init dctcp_update_alpha dctcp_cwnd_event dctcp_ssthresh dctcp_cwnd_undo
        dctcp_state""",
}


class KernelSymbol(NamedTuple):
    """A resolved extern: an ``address``, or the ``type`` of a variable or kfunc in a BTF.

    ``module`` has that BTF, "" for vmlinux. Address and type are both 0 for a weak symbol that this
    kernel lacks. ``number`` is the index of the extern in libbpf's order: .kconfig first, then by
    name.
    """

    function: bool
    address: int = 0
    type: TypeId = VOID
    module: str = ""
    number: int = 0


class Symbols:
    """The resolved externs of one object, and the BTF of their modules, which ``stack`` closes."""

    def __init__(self, symbols: Mapping[str, KernelSymbol], stack: ExitStack) -> None:
        self._symbols = symbols
        names = sorted({symbol.module for symbol in symbols.values() if symbol.module})
        self._modules: dict[str, Fd] = {
            name: stack.enter_context(kernel_btf.module(name)) for name in names
        }

    def __getitem__(self, name: str) -> KernelSymbol:
        return self._symbols[name]

    def fd(self, module: str) -> int:
        """Return the descriptor of a module's BTF, 0 for vmlinux."""
        return self._modules[module].fileno() if module else 0

    def index(self, module: str) -> int:
        """Return the index of a module in ``fd_array``, 0 for vmlinux."""
        return 1 + sorted(self._modules).index(module) if module else 0

    @property
    def fd_array(self) -> bytes:
        """The fd_array of BPF_PROG_LOAD: ints, the first unused; b"" without modules."""
        fds = [0, *(self._modules[name].fileno() for name in sorted(self._modules))]
        return b"".join([fd.to_bytes(4, "little") for fd in fds]) if self._modules else b""


def resolve(spec: CollectionSpec) -> dict[str, KernelSymbol]:
    """Find every kernel symbol that ``spec`` refers to, by name.

    Raises RelocationError if this kernel lacks a symbol that is not weak, or has it with another
    type.
    """
    externs = [extern for extern in spec.externs if extern.section == KSYMS]
    if not externs or spec.btf is None:
        return {}
    untyped = {
        extern.name for extern in externs if not extern.function and _is_void(spec.btf, extern.type)
    }
    addresses = machine.kernel_addresses(untyped) if untyped else {}
    symbols = {}
    for extern in externs:
        if extern.name in untyped:
            symbols[extern.name] = _by_address(spec, extern, addresses.get(extern.name, set()))
        else:
            symbols[extern.name] = _by_type(spec, spec.btf, extern)
    first = len(spec.externs) - len(externs)  # .kconfig externs come first
    return {
        name: symbols[name]._replace(number=number)
        for number, name in enumerate(sorted(symbols), first)
    }


def _is_void(btf: Btf, type_id: TypeId) -> bool:
    return isinstance(skip_mods_and_typedefs(btf, type_id)[1], types.Void)


def _where(spec: CollectionSpec, extern: ExternSpec) -> str:
    return f"{safe(spec.name)}: kernel symbol '{safe(extern.name)}'"


def _by_address(spec: CollectionSpec, extern: ExternSpec, addresses: set[int]) -> KernelSymbol:
    if len(addresses) > 1:
        where, count = _where(spec, extern), len(addresses)
        raise RelocationError(f"{where}: ambiguous: this kernel has {count} of that name")
    if not addresses:
        if extern.weak:
            return KernelSymbol(function=False)
        raise RelocationError(f"{_where(spec, extern)}: not found in this kernel")
    (address,) = addresses
    if not address and machine.hides_addresses():
        from beepy.kernel import privilege  # noqa: PLC0415 - only on the way to an error

        lacks_syslog = privilege.lacking({"CAP_SYSLOG"})
        reason = "needs CAP_SYSLOG" if lacks_syslog else "kernel.kptr_restrict"
        where = _where(spec, extern)
        raise RelocationError(f"{where}: /proc/kallsyms hides its address: {reason}")
    return KernelSymbol(function=False, address=address)


def _by_type(spec: CollectionSpec, btf: Btf, extern: ExternSpec) -> KernelSymbol:
    kind = Kind.FUNC if extern.function else Kind.VAR
    # a kfunc may be declared in several flavors, to fit several kernels
    name = essential_name(extern.name) if extern.function else extern.name
    for target in kernel_btf.candidates():
        ids = target.named(name)
        type_id = next((type_id for type_id in ids if target.kind(type_id) is kind), None)
        if type_id is None:
            continue
        local_type, kernel_type = _signature(btf, extern.type), _signature(target, type_id)
        if not Matcher(btf, target).compatible(local_type, kernel_type):
            if extern.weak and extern.function:  # one of several flavors, for another kernel
                break
            raise RelocationError(
                f"{_where(spec, extern)}: has another type in {safe(target.name)}"
            )
        module = "" if target.base is None else target.name
        return KernelSymbol(extern.function, type=type_id, module=module)
    if extern.weak:
        return KernelSymbol(extern.function)
    raise _missing(_where(spec, extern), name)


def _missing(where: str, name: str) -> RelocationError:
    """Return the error for a missing kfunc or variable, with the module that would have it."""
    from beepy import since  # noqa: PLC0415 - only where it is missing

    first, module = since.kfunc(name), module_of(name)
    release = f" (since {first}, this kernel is {machine.version()})" if first else ""
    too_old = bool(first) and since.order(first) > machine.release()[: len(since.order(first))]
    if too_old or not module or machine.is_loaded(module):
        return RelocationError(f"{where}: neither vmlinux nor a loaded module has it{release}")
    error = RelocationError(f"{where}: it is in module {module}, which is not loaded")
    error.add_note(f"modprobe {module}")
    return error


def module_of(name: str) -> str:
    """Return the module that has a kfunc, "" for a kfunc of vmlinux or an unknown one."""
    return next((module for module, names in _MODULES.items() if name in names.split()), "")


def _signature(btf: Btf, type_id: TypeId) -> TypeId:
    """Return the prototype of a function, the type of a variable."""
    type_ = btf.type(type_id)
    return type_.type if isinstance(type_, types.Func | types.Var) else type_id
