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
    """``type`` 0: the program has none. It belongs to ``module`` ("": vmlinux), or to the program of that id.

    ``member`` is the number of the operation that a STRUCT_OPS program implements, None for any other program.
    """

    type: TypeId = VOID
    module: str = ""
    program: int = 0
    member: int | None = None

    @contextmanager
    def open(self) -> Iterator[Fd | None]:
        """Give the module's types or the program while the block runs, None for vmlinux. Raises KernelError."""
        if self.program:
            with kernel_program.by_id(self.program) as program:
                yield program
        elif self.module:
            with kernel_btf.module(self.module) as types:
                yield types
        else:
            yield None


def find(program: ProgramSpec, hook: Hook, target: Target, kernel: Btf | None = None) -> AttachPoint:
    """Return where a program attaches at load, in the running kernel or in the one of which ``kernel`` are the types.

    ``target`` names a function ``NAME`` or ``MODULE:NAME`` (vmlinux is the kernel itself); for freplace it is
    ``ID/NAME``, a function of the program with that id. Raises NotSupported for what this kernel does not have,
    AttachError for what is no such name.
    """
    where = f"program '{safe(program.name)}': section '{safe(program.section)}'"
    if hook.prog_type == ProgType.EXT and kernel is None:
        return _of_program(target.name, where)
    wanted = hook.kernel_type(target.name)
    if wanted is None or (kernel and not target.name):  # nobody has named one yet
        return AttachPoint()
    module, name, kind = wanted
    point = _among(kernel, name, kind) if kernel else _of_kernel(module, name, kind)
    if point:
        return point
    if kernel is None and module not in {"", _VMLINUX} and not machine.is_loaded(module):
        import shlex  # noqa: PLC0415 - only on the way to an error

        error = NotSupported(f"{where}: module '{safe(module)}' is not loaded", feature=name)
        error.add_note(f"modprobe {safe(shlex.quote(module))}")
        raise error
    raise NotSupported(f"{where}: this kernel has no '{safe(name)}'", feature=name)


def _of_kernel(module: str, name: str, kind: Kind) -> AttachPoint | None:
    """Return a type of the running kernel or of a module of it; ``module`` "": the first that has it."""
    if module in {"", _VMLINUX} and (point := _among(kernel_btf.vmlinux(), name, kind)):
        return point
    for types in kernel_btf.modules():
        if not module or types.name == module:
            type_id = next((one for one in types.named(name) if types.kind(one) is kind), None)
            if type_id is not None:
                return AttachPoint(type_id, types.name)
    return None


def _among(types: Btf, name: str, kind: Kind) -> AttachPoint | None:
    type_id = types.find(name, kind)
    return None if type_id is None else AttachPoint(type_id)


def _of_program(text: str, where: str) -> AttachPoint:
    number, slash, name = text.partition("/")
    if not (slash and name and re.fullmatch("[0-9]{1,10}", number) and int(number) < 1 << 32):
        error = AttachError(f"{where}: expected ID/FUNCTION, a function of the program with that id")
        error.add_note("bpftool prog list shows ids; --attach PROGRAM=ID/FUNCTION names one")
        raise error
    with kernel_program.by_id(int(number)) as program:
        types = kernel_btf.of_program(program)
    type_id = types.find(name, Kind.FUNC)
    if type_id is None:
        raise AttachError(f"{where}: program {number} has no function '{safe(name)}'")
    return AttachPoint(type_id, program=int(number))
