"""Values that the object expects from the running kernel: its variables in ``.kconfig``."""

from collections.abc import Callable, Mapping
from typing import Final

from beepy.btf import types
from beepy.btf.layout import resolve
from beepy.errors import KernelError, RelocationError
from beepy.kernel import features, host, kconfig
from beepy.obj.datasec import KCONFIG
from beepy.obj.spec import CollectionSpec, ExternSpec, VariableSpec
from beepy.text import safe

_VIRTUAL: Final[Mapping[str, Callable[[], int]]] = {  # what libbpf tells besides CONFIG_*
    "LINUX_KERNEL_VERSION": lambda: host.version_code(host.release()),
    "LINUX_HAS_BPF_COOKIE": features.has_bpf_cookie,
    "LINUX_HAS_SYSCALL_WRAPPER": features.has_syscall_wrapper,
}
_TRISTATE: Final = {"n": 0, "y": 1, "m": 2}  # enum libbpf_tristate


def with_kconfig(spec: CollectionSpec) -> CollectionSpec:
    """Return ``spec`` with the contents of its ``.kconfig`` map; as it is if it has none.

    Raises RelocationError for a variable that the kernel's configuration does not set, unless it is weak (then it is
    0), and for a value that does not fit its type.
    """
    area = next((one for one in spec.maps if one.name == KCONFIG), None)
    if area is None:
        return spec
    contents = bytearray(area.value_size)
    externs = {extern.name: extern for extern in spec.externs if extern.section == KCONFIG}
    for variable in spec.variables:
        if variable.map == KCONFIG:
            value = _value(spec, variable, externs[variable.name])
            contents[variable.offset : variable.offset + variable.size] = value
    filled = area._replace(contents=bytes(contents))
    return spec._replace(maps=tuple([filled if one is area else one for one in spec.maps]))


def _value(spec: CollectionSpec, variable: VariableSpec, extern: ExternSpec) -> bytes:
    where = f"{safe(spec.name)}: extern '{safe(extern.name)}'"
    if known := _VIRTUAL.get(extern.name):
        return _integer(int(known()), variable, where)
    try:
        text = kconfig.options().get(extern.name) if extern.name.startswith("CONFIG_") else None
    except KernelError:
        if not extern.weak:
            raise
        text = None
    if text is None:
        if extern.weak:
            return bytes(variable.size)
        raise RelocationError(f"{where}: the kernel's configuration does not set it")
    return _option(spec, variable, text, where)


def _option(spec: CollectionSpec, variable: VariableSpec, text: str, where: str) -> bytes:
    """Return the bytes of an option's value in the variable's type, by the rules of libbpf's ``set_kcfg_value``."""
    assert spec.btf
    _, found = resolve(spec.btf, variable.type)
    shown = safe(text[:80])
    if text in _TRISTATE:
        match found:
            case types.Int(bool=True) if text != "m":
                return _integer(_TRISTATE[text], variable, where)
            case types.Enum(name="libbpf_tristate") | types.Enum64(name="libbpf_tristate"):
                return _integer(_TRISTATE[text], variable, where)
            case types.Int(size=1, bool=False):
                return text.encode()
            case _:
                pass
    elif text.startswith('"'):
        if isinstance(found, types.Array) and text.endswith('"') and len(text) > 1:
            return text[1:-1].encode()[: variable.size - 1].ljust(variable.size, b"\0")
    elif isinstance(found, types.Int) and not found.bool:
        try:
            return _integer(int(text, 0), variable, where)
        except ValueError:
            pass
    raise RelocationError(f"{where}: its type does not fit the option's value {shown}")


def _integer(value: int, variable: VariableSpec, where: str) -> bytes:
    try:
        return value.to_bytes(variable.size, "little", signed=value < 0)
    except OverflowError:
        raise RelocationError(f"{where}: {value} does not fit its {variable.size} bytes") from None
