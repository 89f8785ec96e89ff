"""Fill the object's ``.kconfig`` variables from the running kernel's configuration."""

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

_VIRTUAL: Final[Mapping[str, Callable[[], int]]] = {  # libbpf's externs besides CONFIG_*
    "LINUX_KERNEL_VERSION": lambda: machine.version_code(machine.release()),
    "LINUX_HAS_BPF_COOKIE": lambda: features.has(Feature.BPF_COOKIE),
    "LINUX_HAS_SYSCALL_WRAPPER": lambda: features.has(Feature.SYSCALL_WRAPPER),
}
_TRISTATE: Final = {"n": 0, "y": 1, "m": 2}  # enum libbpf_tristate


def with_kconfig(spec: CollectionSpec) -> CollectionSpec:
    """Return ``spec`` with the contents of its ``.kconfig`` map; unchanged without such a map.

    Raises RelocationError for a variable that the kernel's configuration does not set (a weak one
    becomes 0), and for a value that does not fit its type. Raises KernelError if no configuration
    can be read, as libbpf does: 0 would be a guess even for a weak variable.
    """
    map_spec = next((map_spec for map_spec in spec.maps if map_spec.name == KCONFIG), None)
    if map_spec is None:
        return spec
    contents = bytearray(map_spec.value_size)
    externs = {extern.name: extern for extern in spec.externs if extern.section == KCONFIG}
    for variable in spec.variables:
        if variable.map == KCONFIG:
            value = _value(spec, variable, externs[variable.name])
            contents[variable.offset : variable.offset + variable.size] = value
    filled = map_spec._replace(contents=bytes(contents))
    maps = [filled if other is map_spec else other for other in spec.maps]
    return spec._replace(maps=tuple(maps))


def _value(spec: CollectionSpec, variable: VariableSpec, extern: ExternSpec) -> bytes:
    assert spec.btf
    where = f"{safe(spec.name)}: extern '{safe(extern.name)}'"
    _, type_ = skip_mods_and_typedefs(spec.btf, variable.type)
    if virtual := _VIRTUAL.get(extern.name):
        return _integer(int(virtual()), type_, variable.size, where)
    text = kconfig.options().get(extern.name) if extern.name.startswith("CONFIG_") else None
    if text is None:
        if extern.weak:
            return bytes(variable.size)
        raise RelocationError(f"{where}: the kernel's configuration does not set it")
    contents = _option(spec.btf, type_, variable.size, text, where)
    if contents is None:
        value = safe(text[:80])
        raise RelocationError(f"{where}: its type does not fit the option's value {value}")
    return contents


def _option(btf: Btf, type_: types.Type, size: int, text: str, where: str) -> bytes | None:
    """Return the bytes of an option's value, None if its type does not fit.

    The rules are those of libbpf's ``set_kcfg_value_tri``, ``_str`` and ``_num``.
    """
    match type_:
        case types.Int(bool=True) if text in {"n", "y"}:
            return _integer(_TRISTATE[text], type_, size, where)
        case types.Enum(name="libbpf_tristate") | types.Enum64(name="libbpf_tristate") if (
            text in _TRISTATE
        ):
            return _integer(_TRISTATE[text], type_, size, where)
        case types.Int(size=1, bool=False) if text in _TRISTATE:
            return text.encode()
        case types.Array() if len(text) > 1 and text[0] == text[-1] == '"':
            _, element = skip_mods_and_typedefs(btf, type_.type)
            if isinstance(element, types.Int) and element.size == 1 and not element.bool:
                return text[1:-1].encode()[: size - 1].ljust(size, b"\0")
        case types.Int(bool=False):
            with suppress(ValueError):
                return _integer(int(text, 0), type_, size, where)
        case _:
            pass
    return None


def _integer(value: int, type_: types.Type, size: int, where: str) -> bytes:
    """Return the bytes of a number. Raises RelocationError if it does not fit its type.

    As in libbpf, a type of 8 bytes takes any 64 bits, signed or not.
    """
    signed = isinstance(type_, types.Int) and type_.signed and size < 8
    try:
        return (value % 2**64 if size == 8 else value).to_bytes(size, "little", signed=signed)
    except OverflowError:
        kind = "signed" if signed else "unsigned"
        raise RelocationError(f"{where}: {value} does not fit its {size} bytes, {kind}") from None
