"""The names that only this machine knows, as outputs take them."""

import os

from beepy.enrich import devices, interfaces, pci
from beepy.enrich.cgroups import Cgroups
from beepy.enrich.symbols import Symbols
from beepy.events.label_decoders import MachineNames


def of_this_machine() -> MachineNames:
    """Return functions that read what they need when they are called first."""
    symbols = Symbols()
    return MachineNames(
        cgroup=Cgroups().path,
        symbol=symbols.exact,
        function=symbols.containing,
        interface=interfaces.name,
        device=devices.name,
        pci=pci.names,
        machine=os.uname().machine,
    )
