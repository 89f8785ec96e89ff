"""Values that the object expects from the running kernel: its variables in ``.kconfig``."""

from beepy.btf.layout import resolve
from beepy.btf.types import Int
from beepy.errors import RelocationError
from beepy.kernel import features, host
from beepy.obj.datasec import KCONFIG
from beepy.obj.spec import CollectionSpec, ExternSpec, VariableSpec
from beepy.text import safe


def with_kconfig(spec: CollectionSpec) -> CollectionSpec:
    """Return ``spec`` with the contents of its ``.kconfig`` map; as it is if it has none.

    Raises RelocationError for a variable that nothing is known of, unless it is weak: then it is 0.
    """
    area = next((one for one in spec.maps if one.name == KCONFIG), None)
    if area is None:
        return spec
    contents = bytearray(area.value_size)
    externs = {extern.name: extern for extern in spec.externs if extern.section == KCONFIG}
    for variable in spec.variables:
        if variable.map == KCONFIG:
            value = _value(spec, externs[variable.name])
            contents[variable.offset : variable.offset + variable.size] = _bytes(spec, variable, value)
    filled = area._replace(contents=bytes(contents))
    return spec._replace(maps=tuple([filled if one is area else one for one in spec.maps]))


def _value(spec: CollectionSpec, extern: ExternSpec) -> int:
    match extern.name:
        case "LINUX_KERNEL_VERSION":
            return host.version_code(host.release())
        case "LINUX_HAS_BPF_COOKIE":
            return int(features.has_bpf_cookie())
        case "LINUX_HAS_SYSCALL_WRAPPER":
            return int(features.has_syscall_wrapper())
        case _ if extern.weak:
            return 0
        case _:
            raise RelocationError(f"{safe(spec.name)}: extern '{safe(extern.name)}': nothing is known of it here")


def _bytes(spec: CollectionSpec, variable: VariableSpec, value: int) -> bytes:
    where = f"{safe(spec.name)}: extern '{safe(variable.name)}'"
    assert spec.btf
    _, found = resolve(spec.btf, variable.type)
    if value and not isinstance(found, Int):
        raise RelocationError(f"{where}: expected an integer type")
    try:
        return value.to_bytes(variable.size, "little")
    except OverflowError:
        raise RelocationError(f"{where}: {value} does not fit its {variable.size} bytes") from None
