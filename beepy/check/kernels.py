"""Who is asked what a kernel has: the running kernel itself, or the types of another one."""

import errno
import os
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Final, assert_never

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import Kind
from beepy.errors import KernelError
from beepy.hooks import Point, tracepoint
from beepy.host import machine, tracefs
from beepy.kernel import btf as kernel_btf
from beepy.kernel import features
from beepy.sections import TRACE
from beepy.text import safe
from beepy.uapi import HELPERS, AttachType, MapType, ProgType

_ANY_TRACEPOINT: Final = f"{TRACE}sched_switch"  # every kernel has them


class ThisKernel:
    """The running kernel; what it does not let us know counts as there."""

    machine = os.uname().machine

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"this kernel ({machine.version()})"

    def has_no(self, what: str) -> str:
        """Return in words that it does not have something."""
        return f"{self.name} has no {safe(what)}"

    def lacks(self, point: Point) -> str:
        """Return why something is not there by which programs are attached, "" if it is. Raises KernelError."""
        return _lacks(self, point)

    def types(self) -> Iterator[Btf]:
        """Give its types, then its modules'. Raises NotSupported where it has none."""
        return kernel_btf.candidates()

    def has_map_type(self, kind: MapType) -> bool:
        """Tell whether it has maps of a type."""
        try:
            return features.has_map_type(kind)
        except KernelError:
            return True

    def has_prog_type(self, kind: ProgType) -> bool:
        """Tell whether it has programs of a type."""
        try:
            return features.has_prog_type(kind)
        except KernelError:
            return True

    def has_attach_type(self, kind: AttachType) -> bool:  # noqa: ARG002 - it shows when the program is loaded
        """Tell whether it has an attach type."""
        return True

    def has_helper(self, number: int) -> bool:
        """Tell whether it has a helper."""
        return features.has_helper(number)

    def has_function(self, name: str) -> bool:
        """Tell whether it, or a module, has a function of that name."""
        return name in _functions(machine.modules())

    def has_syscall(self, name: str) -> bool:
        """Tell whether it has a system call of that plain name."""
        return self.has_function(features.syscall_prefix() + name)

    def has_raw_tracepoint(self, name: str) -> bool:
        """Tell whether it, or a module, has a raw tracepoint; without types nobody knows."""
        try:
            return any(one.kind(found) is Kind.TYPEDEF for one in self.types() for found in one.named(TRACE + name))
        except KernelError:
            return True

    def tracepoint(self, category: str, name: str) -> str:
        """Return why a tracepoint is not there, "" if it is. Raises KernelError where this process may not look."""
        try:
            tracefs.tracepoint_id(category, name)
        except KernelError as error:
            if error.errno in {errno.EPERM, errno.EACCES}:
                raise
            return str(error)
        return ""


@lru_cache(maxsize=1)
def _functions(modules: bytes) -> frozenset[str]:  # noqa: ARG001 - which are those of now
    """Return the names of the functions of the running kernel and these modules of it."""
    return frozenset({name for _, kind, name in machine.symbols() if kind in "tTwW"})


class OtherKernel:
    """A kernel of which only the types are here."""

    machine = ""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"the kernel of {self._btf.name}"

    def has_no(self, what: str) -> str:
        """Return in words that it does not have something."""
        return f"{self.name} has no {safe(what)} among its types"

    def lacks(self, point: Point) -> str:
        """Return why something is not there by which programs are attached, "" if it is."""
        return _lacks(self, point)

    def has_type(self, name: str, kind: Kind) -> bool:
        """Tell whether it has a type of that name and kind."""
        return self._btf.find(name, kind) is not None

    @cached_property
    def _functions(self) -> bool:
        return any(self._btf.kind(one) is Kind.FUNC for one in self._btf.ids())

    def _lists(self, enum: str, name: str) -> bool:
        """Tell whether one of its enums has a name; one that is not among its types tells nothing."""
        found = self._btf.find(enum, Kind.ENUM)
        if found is None:
            return True
        built = self._btf.type(found)
        return isinstance(built, types.Enum) and any(one.name == name for one in built.values)

    def has_map_type(self, kind: MapType) -> bool:
        """Tell whether it has maps of a type."""
        return self._lists("bpf_map_type", f"BPF_MAP_TYPE_{kind.name}")

    def has_prog_type(self, kind: ProgType) -> bool:
        """Tell whether it has programs of a type."""
        return self._lists("bpf_prog_type", f"BPF_PROG_TYPE_{kind.name}")

    def has_attach_type(self, kind: AttachType) -> bool:
        """Tell whether it has an attach type."""
        return self._lists("bpf_attach_type", f"BPF_{kind.name}")

    def has_helper(self, number: int) -> bool:
        """Tell whether it has a helper."""
        return number < len(HELPERS) and self._lists("bpf_func_id", f"BPF_FUNC_{HELPERS[number]}")

    def has_function(self, name: str) -> bool:
        """Tell whether its types name a function; where they name none at all (minimal BTF) nobody knows."""
        return self.has_type(name, Kind.FUNC) or not self._functions

    def has_syscall(self, name: str) -> bool:
        """Tell whether it has a system call of that plain name, on whatever architecture."""
        prefixes = (*machine.SYSCALL_PREFIXES.values(), machine.NO_SYSCALL_WRAPPER)
        return any(self.has_function(prefix + name) for prefix in prefixes)

    def has_raw_tracepoint(self, name: str) -> bool:
        """Tell whether its types name a raw tracepoint; where they name none (before v5.5) nobody knows."""
        there = self._btf.find(f"{TRACE}{name}", Kind.TYPEDEF) is not None
        return there or self._btf.find(_ANY_TRACEPOINT, Kind.TYPEDEF) is None

    def tracepoint(self, category: str, name: str) -> str:
        """Return why a tracepoint is not there, "" if it is; those of system calls have no types of their own."""
        if category == "syscalls":
            entered = name.removeprefix("sys_enter_").removeprefix("sys_exit_")
            there = self.has_syscall(entered) or self.has_function(f"__do_sys_{entered}")
        else:
            there = self.has_raw_tracepoint(name)
        return "" if there else f"tracepoint {category}/{name}: {self.name} has none of that name"


Kernel = ThisKernel | OtherKernel


def _lacks(kernel: Kernel, point: Point) -> str:
    kind, name, feature = point
    match kind:
        case "tracepoint":
            return safe(kernel.tracepoint(*tracepoint.split(name)))
        case "raw tracepoint":
            found = kernel.has_raw_tracepoint(name)
        case "system call":
            found = kernel.has_syscall(name)
        case "function":
            found = kernel.has_function(name)
        case _:
            assert_never(kind)
    if found:
        return ""
    return f"{kernel.name} has no {feature}" if feature else kernel.has_no(f"{kind} {name}")
