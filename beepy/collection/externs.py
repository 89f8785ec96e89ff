"""Values that the object expects from the running kernel: its variables in ``.kconfig``."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.errors import RelocationError
from beepy.features import Feature
from beepy.host import kconfig, machine
from beepy.kernel import features
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, ExternSpec, VariableSpec
from beepy.text import safe

_VIRTUAL: Final[Mapping[str, Callable[[], int]]] = {  # what libbpf tells besides CONFIG_*
    "LINUX_KERNEL_VERSION": lambda: machine.version_code(machine.release()),
    "LINUX_HAS_BPF_COOKIE": lambda: features.has(Feature.BPF_COOKIE),
    "LINUX_HAS_SYSCALL_WRAPPER": lambda: features.has(Feature.SYSCALL_WRAPPER),
}
_TRISTATE: Final = {"n": 0, "y": 1, "m": 2}  # enum libbpf_tristate


def with_kconfig(spec: CollectionSpec) -> CollectionSpec:
    """Return ``spec`` with the contents of its ``.kconfig`` map; as it is if it has none.

    Raises RelocationError for a variable that the kernel's configuration does not set, unless it is weak (then it is
    0), and for a value that does not fit its type; KernelError where no configuration can be read, as libbpf does: that
    a weak option is not set would be a guess.
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
    assert spec.btf
    where = f"{safe(spec.name)}: extern '{safe(extern.name)}'"
    _, found = skip_mods_and_typedefs(spec.btf, variable.type)
    if known := _VIRTUAL.get(extern.name):
        return _integer(int(known()), found, variable.size, where)
    text = kconfig.options().get(extern.name) if extern.name.startswith("CONFIG_") else None
    if text is None:
        if extern.weak:
            return bytes(variable.size)
        raise RelocationError(f"{where}: the kernel's configuration does not set it")
    contents = _option(spec.btf, found, variable.size, text, where)
    if contents is None:
        raise RelocationError(f"{where}: its type does not fit the option's value {safe(text[:80])}")
    return contents


def _option(btf: Btf, found: types.Type, size: int, text: str, where: str) -> bytes | None:
    """Return the bytes of an option's value, by the rules of libbpf's ``set_kcfg_value``; None: not of such a type."""
    match found:
        case types.Int(bool=True) if text in {"n", "y"}:
            return _integer(_TRISTATE[text], found, size, where)
        case types.Enum(name="libbpf_tristate") | types.Enum64(name="libbpf_tristate") if text in _TRISTATE:
            return _integer(_TRISTATE[text], found, size, where)
        case types.Int(size=1, bool=False) if text in _TRISTATE:
            return text.encode()
        case types.Array() if len(text) > 1 and text[0] == text[-1] == '"':
            _, element = skip_mods_and_typedefs(btf, found.type)
            if isinstance(element, types.Int) and element.size == 1 and not element.bool:
                return text[1:-1].encode()[: size - 1].ljust(size, b"\0")
        case types.Int(bool=False):
            with suppress(ValueError):
                return _integer(int(text, 0), found, size, where)
        case _:
            pass
    return None


def _integer(value: int, found: types.Type, size: int, where: str) -> bytes:
    """Return the bytes of a number, which must lie in the range of its type; of 8 bytes both ranges are one."""
    signed = isinstance(found, types.Int) and found.signed and size < 8
    try:
        return (value % 2**64 if size == 8 else value).to_bytes(size, "little", signed=signed)
    except OverflowError:
        kind = "signed" if signed else "unsigned"
        raise RelocationError(f"{where}: {value} does not fit its {size} bytes, {kind}") from None
