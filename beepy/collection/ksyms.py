"""Symbols of the kernel that the object uses (``.ksyms``): variables by type or by address, and kfuncs."""

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

_MODULES: Final[Mapping[str, str]] = {  # module -> kfuncs of it
    "nf_conntrack": "bpf_xdp_ct_alloc bpf_xdp_ct_lookup bpf_skb_ct_alloc bpf_skb_ct_lookup bpf_ct_insert_entry "
    "bpf_ct_release bpf_ct_set_timeout bpf_ct_change_timeout bpf_ct_set_status bpf_ct_change_status",
    "nf_nat": "bpf_ct_set_nat_info",
    "nf_flow_table": "bpf_xdp_flow_lookup",
    "xfrm_interface": "bpf_skb_get_xfrm_info bpf_skb_set_xfrm_info",
    "fou": "bpf_skb_get_fou_encap bpf_skb_set_fou_encap",
    "tcp_bbr": "bbr_init bbr_main bbr_sndbuf_expand bbr_undo_cwnd bbr_cwnd_event bbr_ssthresh bbr_min_tso_segs "
    "bbr_set_state",
    "tcp_dctcp": "dctcp_init dctcp_update_alpha dctcp_cwnd_event dctcp_ssthresh dctcp_cwnd_undo dctcp_state",
}


class KernelSymbol(NamedTuple):
    """What an extern became: an ``address``, or the ``type`` of a variable or kfunc in the types of ``module``.

    ``module`` is "" for vmlinux. Without address and type it is a weak symbol that this kernel does not have.
    ``number`` is its place among the object's externs as libbpf orders them: those of .kconfig, then by name.
    """

    function: bool
    address: int = 0
    type: TypeId = VOID
    module: str = ""
    number: int = 0


class Symbols:
    """The externs of one object by name, and the types of the modules that they are in, open while it loads."""

    def __init__(self, found: Mapping[str, KernelSymbol], stack: ExitStack) -> None:
        self._found = found
        names = sorted({symbol.module for symbol in found.values() if symbol.module})
        self._modules: dict[str, Fd] = {name: stack.enter_context(kernel_btf.module(name)) for name in names}

    def __getitem__(self, name: str) -> KernelSymbol:
        return self._found[name]

    def fd(self, module: str) -> int:
        """Return the descriptor of a module's types, 0 for vmlinux."""
        return self._modules[module].fileno() if module else 0

    def index(self, module: str) -> int:
        """Return the place of a module in ``fd_array``, 0 for vmlinux."""
        return 1 + sorted(self._modules).index(module) if module else 0

    @property
    def fd_array(self) -> bytes:
        """What BPF_PROG_LOAD takes: descriptors as ints, the first one unused; empty without modules."""
        fds = [0, *(self._modules[name].fileno() for name in sorted(self._modules))]
        return b"".join([fd.to_bytes(4, "little") for fd in fds]) if self._modules else b""


def resolve(spec: CollectionSpec) -> dict[str, KernelSymbol]:
    """Find every symbol of the kernel that ``spec`` names.

    Raises RelocationError for one that this kernel does not have, unless it is weak, and for one of another type.
    """
    externs = [extern for extern in spec.externs if extern.section == KSYMS]
    if not externs or spec.btf is None:
        return {}
    untyped = {extern.name for extern in externs if not extern.function and _is_void(spec.btf, extern.type)}
    addresses = machine.kernel_addresses(untyped) if untyped else {}
    found = {}
    for extern in externs:
        if extern.name in untyped:
            found[extern.name] = _address(spec, extern, addresses.get(extern.name, set()))
        else:
            found[extern.name] = _typed(spec, spec.btf, extern)
    first = len(spec.externs) - len(externs)
    return {name: found[name]._replace(number=number) for number, name in enumerate(sorted(found), first)}


def _is_void(btf: Btf, type_id: TypeId) -> bool:
    return isinstance(skip_mods_and_typedefs(btf, type_id)[1], types.Void)


def _where(spec: CollectionSpec, extern: ExternSpec) -> str:
    return f"{safe(spec.name)}: kernel symbol '{safe(extern.name)}'"


def _address(spec: CollectionSpec, extern: ExternSpec, addresses: set[int]) -> KernelSymbol:
    if len(addresses) > 1:
        raise RelocationError(f"{_where(spec, extern)}: ambiguous: this kernel has {len(addresses)} of that name")
    if not addresses:
        if extern.weak:
            return KernelSymbol(function=False)
        raise RelocationError(f"{_where(spec, extern)}: this kernel has none of that name")
    (address,) = addresses
    if not address and machine.hides_addresses():
        from beepy.kernel import privilege  # noqa: PLC0415 - only on the way to an error

        why = "needs CAP_SYSLOG" if privilege.lacking({"CAP_SYSLOG"}) else "kernel.kptr_restrict"
        raise RelocationError(f"{_where(spec, extern)}: /proc/kallsyms hides its address: {why}")
    return KernelSymbol(function=False, address=address)


def _typed(spec: CollectionSpec, btf: Btf, extern: ExternSpec) -> KernelSymbol:
    kind = Kind.FUNC if extern.function else Kind.VAR
    # a kfunc may be declared in several flavors, to fit several kernels
    name = essential_name(extern.name) if extern.function else extern.name
    for target in kernel_btf.candidates():
        type_id = next((one for one in target.named(name) if target.kind(one) is kind), None)
        if type_id is None:
            continue
        if not Matcher(btf, target).compatible(_signature(btf, extern.type), _signature(target, type_id)):
            if extern.weak and extern.function:
                break
            raise RelocationError(f"{_where(spec, extern)}: has another type in {safe(target.name)}")
        return KernelSymbol(extern.function, type=type_id, module="" if target.base is None else target.name)
    if extern.weak:
        return KernelSymbol(extern.function)
    raise _missing(_where(spec, extern), name)


def _missing(where: str, name: str) -> RelocationError:
    """Return the error for a kfunc or variable that is not there; it names the module that is known to have it."""
    from beepy import since  # noqa: PLC0415 - only where it is missing

    first, module = since.kfunc(name), module_of(name)
    told = f" (since {first}, this kernel is {machine.version()})" if first else ""
    too_old = bool(first) and since.order(first) > machine.release()[: len(since.order(first))]
    if too_old or not module or machine.is_loaded(module):
        return RelocationError(f"{where}: neither vmlinux nor a loaded module has it{told}")
    error = RelocationError(f"{where}: it is in module {module}, which is not loaded")
    error.add_note(f"modprobe {module}")
    return error


def module_of(name: str) -> str:
    """Return the module that is known to have a kfunc, "" for any other."""
    return next((module for module, names in _MODULES.items() if name in names.split()), "")


def _signature(btf: Btf, type_id: TypeId) -> TypeId:
    found = btf.type(type_id)
    return found.type if isinstance(found, types.Func | types.Var) else type_id
