"""Where a program is to be attached."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from beepy.kernel.map import Map

_NO_MAPS: Mapping[str, Map] = MappingProxyType({})

Point = tuple[Literal["function", "system call", "raw tracepoint", "tracepoint"], str, str]
"""What a kernel must have: kind, name, and what it lacks without it if that is not what the name says ("": it is)."""


class Target(NamedTuple):
    """The section's text, overruled by options; a program's hook says which of them it takes (``Hook.options``).

    ``name`` is the SEC() text after the prefix and its slash ("" where there is none), or what --attach gave instead.
    ``pid`` restricts perf events, uprobes and USDT to one process (None: all), ``binary`` is the file of a uprobe or
    USDT, ``iface`` a network interface, looked up in the network namespace ``netns`` (a name of /run/netns, a path, or
    a pid; "": our own), ``cgroup`` a folder of cgroup v2. ``maps`` are the collection's, for what attaches to a map;
    ``shared`` is what hooks remember for all programs of the collection (None: nothing is shared).
    """

    name: str = ""
    pid: int | None = None
    binary: str = ""
    iface: str = ""
    netns: str = ""
    cgroup: str = ""
    maps: Mapping[str, Map] = _NO_MAPS
    shared: dict[str, object] | None = None
