"""Create the smallest map or program of a type, to probe this kernel; each is closed at once."""

import ctypes
import errno
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from beepy import map_types, uapi
from beepy.btf.writer import BtfWriter
from beepy.errors import ENOTSUPP, KernelError
from beepy.kernel import memlock
from beepy.map_types import Sample
from beepy.obj.insn import EXIT, MOV64_IMM, Insn, encode
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.uapi import NO_ATTACH_TYPE, AttachType, MapType, ProgFlag, ProgType

_INT_TYPE: Final = 1  # the id in the BTF of _load_int()
# program types that must name a kernel type (attach_btf_id)
_NEED_BTF_ID: Final = (ProgType.TRACING, ProgType.STRUCT_OPS, ProgType.EXT, ProgType.LSM)
_GPL: Final = b"GPL\0"
_NO_FLAGS: Final = ProgFlag(0)


def sample(map_type: int) -> Sample:
    """Return the smallest attributes with which a map of that type can be created."""
    return map_types.of(map_type).smallest


def create_map(map_type: MapType, attributes: Sample) -> int:
    """Create a map and close it; return 0 or the errno. Raises KernelError for EPERM."""
    where = f"probe of maps: {map_type.name}"
    attr = uapi.MapCreate(
        map_type=map_type,
        key_size=attributes.key_size,
        value_size=attributes.value_size,
        max_entries=attributes.max_entries,
        map_flags=attributes.map_flags,
        map_extra=attributes.map_extra,
        numa_node=attributes.numa_node,
    )
    with ExitStack() as stack:
        if attributes.needs_btf:
            attr.btf_fd = stack.enter_context(_load_int(where)).fileno()
            attr.btf_key_type_id = attr.btf_value_type_id = _INT_TYPE
        if attributes.needs_inner_map:
            inner = uapi.MapCreate(map_type=MapType.HASH, key_size=4, value_size=4, max_entries=1)
            attr.inner_map_fd = stack.enter_context(syscall.map_create(inner, where)).fileno()
        try:
            _try_twice(lambda: syscall.map_create(attr, where))
        except KernelError as error:
            if error.errno == errno.EPERM:
                raise
            return error.errno or errno.EINVAL
    return 0


def _try_twice(create: Callable[[], Fd]) -> None:
    """Create and close an object; on EPERM try again with a higher RLIMIT_MEMLOCK."""
    try:
        create().close()
    except KernelError as error:
        if error.errno != errno.EPERM or not memlock.raise_limit():
            raise
        create().close()


def has_struct_ops_maps() -> bool:
    """Return whether the kernel has STRUCT_OPS maps. Raises KernelError: EPERM if not permitted.

    Type 1 of the kernel's BTF is not a struct of operations, so a kernel with such maps answers
    ENOTSUPP.
    """
    attr = uapi.MapCreate(
        map_type=MapType.STRUCT_OPS, key_size=4, max_entries=1, btf_vmlinux_value_type_id=1
    )
    try:
        _try_twice(lambda: syscall.map_create(attr, "probe of maps: STRUCT_OPS"))
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise
        return error.errno == ENOTSUPP
    return True


def _load_int(where: str) -> Fd:
    """Load BTF with the type ``int``; the caller owns it."""
    writer = BtfWriter()
    writer.integer()
    data = writer.data()
    return syscall.btf_load(uapi.BtfLoad(btf=syscall.ptr(data), btf_size=len(data)), where)


def is_known(prog_type: ProgType, attach_type: AttachType, flags: ProgFlag) -> bool:
    """Return whether the kernel knows the program type with that attach type and those flags.

    The kernel answers EINVAL for those that it does not know, before the verifier runs. If the
    verifier has written a log, they are known, even if it refused the program. Raises KernelError
    for EPERM.
    """
    btf_id = 1 if prog_type in _NEED_BTF_ID else 0
    program = (prog_type, (Insn(MOV64_IMM), Insn(EXIT)), attach_type, flags, btf_id)
    number, log = load(*program)
    if number == errno.EPERM and memlock.raise_limit():
        number, log = load(*program)
    if number == errno.EPERM:
        raise KernelError.of(f"probe of programs: {prog_type.name}", number)
    return bool(log) or number != errno.EINVAL


def load(
    prog_type: ProgType,
    insns: tuple[Insn, ...],
    attach_type: AttachType = NO_ATTACH_TYPE,
    flags: ProgFlag = _NO_FLAGS,
    attach_btf_id: int = 0,
) -> tuple[int, bytes]:
    """Load a program and close it; return 0 or the errno, and the verifier's log."""
    code = encode(insns)
    log = ctypes.create_string_buffer(4096)
    attr = uapi.ProgLoad(
        prog_type=prog_type,
        insn_cnt=len(insns),
        insns=syscall.ptr(code),
        license=syscall.ptr(_GPL),
        log_level=1,
        log_size=len(log),
        log_buf=ctypes.addressof(log),
        prog_flags=flags,
        expected_attach_type=attach_type,
        attach_btf_id=attach_btf_id,
    )
    try:
        syscall.prog_load(attr, f"probe of programs: {prog_type.name}").close()
    except KernelError as error:
        return error.errno or errno.EINVAL, log.value
    return 0, log.value
