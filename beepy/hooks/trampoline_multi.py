"""Many functions of the kernel through trampolines, by one link (v7.2): ``fentry.multi/tcp_*``.

The program is loaded without a function; the link names the type of each.
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
from beepy.kernel import btf, multi_links
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe

_MAX_PARAMETERS: Final = 12  # MAX_BPF_FUNC_ARGS
_MAX_PARAMETER_SIZE: Final = 16  # bytes: two registers


def attach(program: Program, target: Target) -> Link:
    """Attach to every function of the kernel that matches the pattern (``*`` and ``?``).

    Raises AttachError.
    """
    label = f"functions '{safe(target.name)}'"
    names = {name for _, name in kprobe_multi.functions(program, target)}
    type_ids = list(_functions(btf.vmlinux(), names))
    if not type_ids:
        where = f"program '{safe(program.name)}': {label}"
        why = "no function of this kernel that a trampoline can call matches"
        raise AttachError(f"{where}: {why}", errno.ENOENT)
    return multi_links.tracing_multi(program, type_ids, f"{len(type_ids)} {label}")


def _functions(kernel: Btf, names: set[str]) -> Iterator[TypeId]:
    """Yield the functions of these names that a trampoline can call, each name once, by type id."""
    remaining = set(names)
    for type_id in kernel.ids_by_names(remaining, Kind.FUNC):
        function = kernel.type(type_id)
        if not isinstance(function, types.Func) or function.name not in remaining:
            continue
        if _is_callable(kernel, function):
            remaining.discard(function.name)
            yield type_id


def _is_callable(kernel: Btf, function: types.Func) -> bool:
    """Tell whether a trampoline can call a function, as btf_distill_func_proto() decides."""
    prototype = kernel.type(function.type)
    if not isinstance(prototype, types.FuncProto) or len(prototype.params) > _MAX_PARAMETERS:
        return False
    try:
        sizes = [size_of(kernel, parameter.type) for parameter in prototype.params]
    except BtfError:
        return False
    # False for "...", which a trampoline cannot pass.
    if not all(0 < size <= _MAX_PARAMETER_SIZE for size in sizes):
        return False
    _, return_type = skip_mods_and_typedefs(kernel, prototype.type)
    return not isinstance(return_type, types.Struct | types.Union)
