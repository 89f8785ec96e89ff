"""What a kernel has: found by probing the running kernel, or in the types of another kernel."""

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

_ANY_TRACEPOINT: Final = f"{TRACE}sched_switch"  # every kernel since v5.5 lists it


class RunningKernel:
    """The running kernel; it is assumed to have what this process may not look up."""

    machine = os.uname().machine

    @property
    def name(self) -> str:
        """The name in messages."""
        return f"this kernel ({machine.version()})"

    def has_no(self, name: str) -> str:
        """Return the message that the kernel does not have ``name``."""
        return f"{self.name} has no {safe(name)}"

    def lacks(self, point: Point) -> str:
        """Return why an attach point does not exist, "" if it does. Raises KernelError."""
        return _lacks(self, point)

    def types(self) -> Iterator[Btf]:
        """Yield the kernel's BTF, then its modules'. Raises NotSupported if it has none."""
        return kernel_btf.candidates()

    def has_map_type(self, map_type: MapType) -> bool:
        """Tell whether the kernel has a map type."""
        try:
            return features.has_map_type(map_type)
        except KernelError:
            return True

    def has_prog_type(self, prog_type: ProgType) -> bool:
        """Tell whether the kernel has a program type."""
        try:
            return features.has_prog_type(prog_type)
        except KernelError:
            return True

    def has_attach_type(self, attach_type: AttachType) -> bool:  # noqa: ARG002 - loading finds out
        """Tell whether the kernel has an attach type."""
        return True

    def has_helper(self, number: int) -> bool:
        """Tell whether the kernel has a helper."""
        return features.has_helper(number)

    def has_function(self, name: str) -> bool:
        """Tell whether the kernel or a loaded module has a function."""
        return name in _functions(machine.modules())

    def has_syscall(self, name: str) -> bool:
        """Tell whether the kernel has a system call; ``name`` is without prefix."""
        return self.has_function(features.syscall_prefix() + name)

    def has_raw_tracepoint(self, name: str) -> bool:
        """Tell whether the kernel or a module has a raw tracepoint; True if it has no BTF."""
        try:
            return any(
                btf.kind(type_id) is Kind.TYPEDEF
                for btf in self.types()
                for type_id in btf.named(TRACE + name)
            )
        except KernelError:
            return True

    def tracepoint(self, category: str, name: str) -> str:
        """Return why a tracepoint does not exist, "" if it does.

        Raises KernelError if this process may not look it up.
        """
        try:
            tracefs.tracepoint_id(category, name)
        except KernelError as error:
            if error.errno in {errno.EPERM, errno.EACCES}:
                raise
            return str(error)
        return ""


@lru_cache(maxsize=1)
def _functions(modules: bytes) -> frozenset[str]:  # noqa: ARG001 - the key of the cache
    """Return the names of all functions of the running kernel and its modules.

    ``modules`` is the list of modules, so that the names are read again when it changes.
    """
    return frozenset({name for _, kind, name in machine.symbols() if kind in "tTwW"})


class BtfKernel:
    """A kernel that is known by the types of its vmlinux only.

    It is assumed to have what its BTF cannot show.
    """

    machine = ""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf

    @property
    def name(self) -> str:
        """The name in messages."""
        return f"the kernel of {self._btf.name}"

    def has_no(self, name: str) -> str:
        """Return the message that the kernel does not have ``name``."""
        return f"{self.name} has no {safe(name)} among its types"

    def lacks(self, point: Point) -> str:
        """Return why an attach point does not exist, "" if it does."""
        return _lacks(self, point)

    def has_type(self, name: str, kind: Kind) -> bool:
        """Tell whether the kernel has a type with this name and kind."""
        return self._btf.find(name, kind) is not None

    @cached_property
    def _has_functions(self) -> bool:
        return any(self._btf.kind(type_id) is Kind.FUNC for type_id in self._btf.ids())

    def _lists(self, enum: str, name: str) -> bool:
        """Tell whether an enum of the kernel has an enumerator; True if the enum is missing."""
        type_id = self._btf.find(enum, Kind.ENUM)
        if type_id is None:
            return True
        type_ = self._btf.type(type_id)
        return isinstance(type_, types.Enum) and any(value.name == name for value in type_.values)

    def has_map_type(self, map_type: MapType) -> bool:
        """Tell whether the kernel has a map type."""
        return self._lists("bpf_map_type", f"BPF_MAP_TYPE_{map_type.name}")

    def has_prog_type(self, prog_type: ProgType) -> bool:
        """Tell whether the kernel has a program type."""
        return self._lists("bpf_prog_type", f"BPF_PROG_TYPE_{prog_type.name}")

    def has_attach_type(self, attach_type: AttachType) -> bool:
        """Tell whether the kernel has an attach type."""
        return self._lists("bpf_attach_type", f"BPF_{attach_type.name}")

    def has_helper(self, number: int) -> bool:
        """Tell whether the kernel has a helper."""
        if number >= len(HELPERS):
            return False
        return self._lists("bpf_func_id", f"BPF_FUNC_{HELPERS[number]}")

    def has_function(self, name: str) -> bool:
        """Tell whether the kernel has a function; True if its BTF lists none (minimal BTF)."""
        return self.has_type(name, Kind.FUNC) or not self._has_functions

    def has_syscall(self, name: str) -> bool:
        """Tell whether the kernel has a system call, on any architecture."""
        prefixes = (*machine.SYSCALL_PREFIXES.values(), machine.NO_SYSCALL_WRAPPER)
        return any(self.has_function(prefix + name) for prefix in prefixes)

    def has_raw_tracepoint(self, name: str) -> bool:
        """Tell whether the kernel has a raw tracepoint; True if its BTF has none (before v5.5)."""
        if self._btf.find(f"{TRACE}{name}", Kind.TYPEDEF) is not None:
            return True
        return self._btf.find(_ANY_TRACEPOINT, Kind.TYPEDEF) is None

    def tracepoint(self, category: str, name: str) -> str:
        """Return why a tracepoint does not exist, "" if it does."""
        if category == "syscalls":  # they have no types of their own: look for the system call
            syscall = name.removeprefix("sys_enter_").removeprefix("sys_exit_")
            exists = self.has_syscall(syscall) or self.has_function(f"__do_sys_{syscall}")
        else:
            exists = self.has_raw_tracepoint(name)
        return "" if exists else f"tracepoint {category}/{name}: not found in {self.name}"


Kernel = RunningKernel | BtfKernel


def _lacks(kernel: Kernel, point: Point) -> str:
    kind, name, feature = point
    match kind:
        case "tracepoint":
            return safe(kernel.tracepoint(*tracepoint.split(name)))
        case "raw tracepoint":
            exists = kernel.has_raw_tracepoint(name)
        case "system call":
            exists = kernel.has_syscall(name)
        case "function":
            exists = kernel.has_function(name)
        case _:
            assert_never(kind)
    if exists:
        return ""
    return f"{kernel.name} has no {feature}" if feature else kernel.has_no(f"{kind} {name}")
