"""Many functions of the kernel through trampolines, by one link (v7.2): ``fentry.multi/tcp_*``.

A program is loaded for none of them; the link names the types of all.
"""

import errno
from collections.abc import Iterator
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.types import Kind, TypeId
from beepy.errors import AttachError, BtfError
from beepy.hooks import kprobe_multi
from beepy.hooks.target import Target
from beepy.kernel import btf, link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe

_MOST_PARAMETERS: Final = 12  # MAX_BPF_FUNC_ARGS
_LARGEST: Final = 16  # bytes of a parameter: two registers


def attach(program: Program, target: Target) -> Link:
    """Attach to every function of the kernel whose name fits the pattern (``*`` and ``?``). Raises AttachError."""
    what = f"functions '{safe(target.name)}'"
    names = {name for _, name in kprobe_multi.functions(program, target)}
    found = list(_functions(btf.vmlinux(), names))
    if not found:
        where = f"program '{safe(program.name)}': {what}"
        raise AttachError(f"{where}: this kernel has none that a trampoline can call", errno.ENOENT)
    return link.tracing_multi(program, found, f"{len(found)} {what}")


def _functions(kernel: Btf, names: set[str]) -> Iterator[TypeId]:
    """Yield the functions of these names that a trampoline can call, in the order of their ids, each name once."""
    left = set(names)
    for type_id in kernel.ids_by_names(left, Kind.FUNC):
        function = kernel.type(type_id)
        if isinstance(function, types.Func) and function.name in left and _callable(kernel, function):
            left.discard(function.name)
            yield type_id


def _callable(kernel: Btf, function: types.Func) -> bool:
    """Tell whether a trampoline can pass its parameters: btf_distill_func_proto() in kernel/bpf/btf.c."""
    prototype = kernel.type(function.type)
    if not isinstance(prototype, types.FuncProto) or len(prototype.params) > _MOST_PARAMETERS:
        return False
    try:
        sizes = [size_of(kernel, parameter.type) for parameter in prototype.params]  # the last may be "..."
    except BtfError:
        return False
    _, returned = skip_mods_and_typedefs(kernel, prototype.type)
    return all(0 < size <= _LARGEST for size in sizes) and not isinstance(returned, types.Struct | types.Union)
