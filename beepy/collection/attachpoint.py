"""The type that a program attaches to at load: of vmlinux, of a module, or of another program."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from beepy.btf.btf import Btf
from beepy.btf.types import VOID, Kind, TypeId
from beepy.errors import AttachError, NotSupported
from beepy.hooks import Target
from beepy.host import machine
from beepy.kernel import btf as kernel_btf
from beepy.kernel import program as kernel_program
from beepy.obj.spec import ProgramSpec
from beepy.sections import Hook
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import ProgType

_VMLINUX: Final = "vmlinux"


class AttachPoint(NamedTuple):
    """What BPF_PROG_LOAD gets as attach_btf_id and the like; ``type`` is 0 for most program types.

    ``type`` belongs to ``module`` ("" for vmlinux), or to the loaded program with the id
    ``program``. ``member`` is the number of the operation that a STRUCT_OPS program implements,
    else None.
    """

    type: TypeId = VOID
    module: str = ""
    program: int = 0
    member: int | None = None

    @contextmanager
    def open(self) -> Iterator[Fd | None]:
        """Open the module's BTF or the program while the block runs; yield None for vmlinux.

        Raises KernelError.
        """
        if self.program:
            with kernel_program.open_by_id(self.program) as program:
                yield program
        elif self.module:
            with kernel_btf.module(self.module) as types:
                yield types
        else:
            yield None


def find(
    program: ProgramSpec, hook: Hook, target: Target, kernel: Btf | None = None
) -> AttachPoint:
    """Return where a program attaches at load.

    ``kernel`` has the types of a kernel that is not the running one. ``target`` names a function,
    as ``NAME`` or ``MODULE:NAME`` (the module vmlinux is the kernel itself); for freplace,
    ``ID/NAME`` names a function of the program with that id. Raises NotSupported if this kernel
    does not have it, AttachError if the text is not such a name.
    """
    where = f"program '{safe(program.name)}': section '{safe(program.section)}'"
    if hook.prog_type == ProgType.EXT and kernel is None:
        return _in_program(target.name, where)
    kernel_type = hook.kernel_type(target.name)
    if kernel_type is None or (kernel and not target.name):  # with a BTF file, --attach comes later
        return AttachPoint()
    module, name, kind = kernel_type
    point = _in_btf(kernel, name, kind) if kernel else _in_kernel(module, name, kind)
    if point:
        return point
    if kernel is None and module not in {"", _VMLINUX} and not machine.is_loaded(module):
        import shlex  # noqa: PLC0415 - only on the way to an error

        error = NotSupported(f"{where}: module '{safe(module)}' is not loaded", feature=name)
        error.add_note(f"modprobe {safe(shlex.quote(module))}")
        raise error
    missing = NotSupported(f"{where}: this kernel has no '{safe(name)}'", feature=name)
    if not target.name:
        missing.add_note(f"give a target: --attach {safe(program.name)}=NAME")
    raise missing


def _in_kernel(module: str, name: str, kind: Kind) -> AttachPoint | None:
    """Return a type of ``module``; "" searches vmlinux, then all modules."""
    if module in {"", _VMLINUX} and (point := _in_btf(kernel_btf.vmlinux(), name, kind)):
        return point
    for types in kernel_btf.modules():
        if not module or types.name == module:
            ids = types.named(name)
            type_id = next((type_id for type_id in ids if types.kind(type_id) is kind), None)
            if type_id is not None:
                return AttachPoint(type_id, types.name)
    return None


def _in_btf(types: Btf, name: str, kind: Kind) -> AttachPoint | None:
    type_id = types.find(name, kind)
    return None if type_id is None else AttachPoint(type_id)


def _in_program(text: str, where: str) -> AttachPoint:
    """Return the function ``ID/NAME`` of a loaded program, for freplace."""
    number, slash, name = text.partition("/")
    if not (slash and name and re.fullmatch("[0-9]{1,10}", number) and int(number) < 1 << 32):
        error = AttachError(
            f"{where}: expected ID/FUNCTION, a function of the program with that id"
        )
        error.add_note("bpftool prog list shows ids; --attach PROGRAM=ID/FUNCTION names one")
        raise error
    with kernel_program.open_by_id(int(number)) as program:
        types = kernel_btf.of_program(program)
    type_id = types.find(name, Kind.FUNC)
    if type_id is None:
        raise AttachError(f"{where}: program {number} has no function '{safe(name)}'")
    return AttachPoint(type_id, program=int(number))
