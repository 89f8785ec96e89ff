"""Addresses of kernel symbols that programs of ebpf_exporter read as variables."""

from collections.abc import Sequence

from beepy.errors import RelocationError
from beepy.events.variables import apply as set_variables
from beepy.host import machine
from beepy.log import Log
from beepy.obj.spec import CollectionSpec
from beepy.text import safe

_log = Log(__name__)


def apply(spec: CollectionSpec, symbols: Sequence[str]) -> CollectionSpec:
    """Return ``spec`` with the variable ``kaddr_NAME`` set to the address of each symbol NAME.

    Raises RelocationError for a symbol that this kernel lacks, UsageError for a missing variable,
    KernelError.
    """
    addresses = machine.kernel_addresses(symbols)
    for symbol in symbols:
        if symbol not in addresses:
            where = f"{safe(spec.name)}: kaddrs: '{safe(symbol)}'"
            raise RelocationError(f"{where}: not a symbol of this kernel")
    if not any(any(values) for values in addresses.values()) and machine.hides_addresses():
        _log.warning("%s: kaddrs: the kernel hides its addresses: they are 0", safe(spec.name))
    values = {f"kaddr_{symbol}": max(addresses[symbol]) for symbol in symbols}
    return set_variables(spec, values)
