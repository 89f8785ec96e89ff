"""Where to attach a program."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from beepy.kernel.map import Map

_NO_MAPS: Mapping[str, Map] = MappingProxyType({})

Point = tuple[Literal["function", "system call", "raw tracepoint", "tracepoint"], str, str]
"""Something that a kernel must have to attach a program: its kind, its name, and a feature.

The feature is what messages say the kernel lacks, "" for the thing itself.
"""


class Target(NamedTuple):
    """A section's target, or what options give instead (``Hook.options`` says which apply).

    ``name`` is the SEC() text after the prefix and its slash ("" if there is none), or the value of
    --attach. ``pid`` restricts perf events, uprobes and USDT to one process (None: all). ``binary``
    is the file of a uprobe or USDT. ``iface`` is a network interface in the network namespace
    ``netns`` (a name of /run/netns, a path, or a pid; "": our own). ``cgroup`` is a directory of
    cgroup v2. ``maps`` are the collection's maps. ``shared`` is state that hooks keep for all
    programs of the collection (None: it is not kept).
    """

    name: str = ""
    pid: int | None = None
    binary: str = ""
    iface: str = ""
    netns: str = ""
    cgroup: str = ""
    maps: Mapping[str, Map] = _NO_MAPS
    shared: dict[str, object] | None = None
