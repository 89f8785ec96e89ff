"""The smallest map and program of each type, made to find out what this kernel takes; each is closed at once."""

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

_INT_TYPE: Final = 1  # of _types()
_TYPED: Final = (ProgType.TRACING, ProgType.STRUCT_OPS, ProgType.EXT, ProgType.LSM)  # they name a type of the kernel


_GPL: Final = b"GPL\0"
_NO_FLAGS: Final = ProgFlag(0)


def sample(map_type: int) -> Sample:
    """Return what a map of that type is made with."""
    return map_types.of(map_type).smallest


def makes(map_type: MapType, wanted: Sample) -> int:
    """Create a map and close it; return 0, or the errno of the refusal. Raises KernelError if that is EPERM."""
    where = f"probe of maps: {map_type.name}"
    attr = uapi.MapCreate(map_type=map_type, **{name: getattr(wanted, name) for name in Sample._fields[:-2]})
    with ExitStack() as stack:
        if wanted.typed:
            attr.btf_fd = stack.enter_context(_types(where)).fileno()
            attr.btf_key_type_id = attr.btf_value_type_id = _INT_TYPE
        if wanted.nests:
            inner = uapi.MapCreate(map_type=MapType.HASH, key_size=4, value_size=4, max_entries=1)
            attr.inner_map_fd = stack.enter_context(syscall.map_create(inner, where)).fileno()
        try:
            _permitted(lambda: syscall.map_create(attr, where))
        except KernelError as error:
            if error.errno == errno.EPERM:
                raise
            return error.errno or errno.EINVAL
    return 0


def _permitted(make: Callable[[], Fd]) -> None:
    """Make something and let it go; again with more of RLIMIT_MEMLOCK, where that counts. Raises KernelError."""
    try:
        make().close()
    except KernelError as error:
        if error.errno != errno.EPERM or not memlock.raise_limit():
            raise
        make().close()


def has_struct_ops_maps() -> bool:
    """Tell whether the kernel has maps of operations. Raises KernelError (EPERM) where this process may not know.

    Type 1 of the kernel's types is not a struct of operations: ENOTSUPP, where it has the map's type.
    """
    attr = uapi.MapCreate(map_type=MapType.STRUCT_OPS, key_size=4, max_entries=1, btf_vmlinux_value_type_id=1)
    try:
        _permitted(lambda: syscall.map_create(attr, "probe of maps: STRUCT_OPS"))
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise
        return error.errno == ENOTSUPP
    return True


def _types(where: str) -> Fd:
    """Give the kernel the type ``int``."""
    writer = BtfWriter()
    writer.integer()
    body = writer.data()
    return syscall.btf_load(uapi.BtfLoad(btf=syscall.ptr(body), btf_size=len(body)), where)


def loads(prog_type: ProgType, attach_type: AttachType, flags: ProgFlag) -> bool:
    """Tell whether the kernel looks at programs of that type, attach type and flags, whatever it says of this one.

    Before the verifier, which writes a log, it refuses by EINVAL what it does not know. Raises KernelError for EPERM.
    """
    kind = 1 if prog_type in _TYPED else 0
    program = (prog_type, (Insn(MOV64_IMM), Insn(EXIT)), attach_type, flags, kind)
    refused, log = attempt(*program)
    if refused == errno.EPERM and memlock.raise_limit():
        refused, log = attempt(*program)
    if refused == errno.EPERM:
        raise KernelError.of(f"probe of programs: {prog_type.name}", refused)
    return bool(log) or refused != errno.EINVAL


def attempt(
    prog_type: ProgType,
    insns: tuple[Insn, ...],
    attach_type: AttachType = NO_ATTACH_TYPE,
    flags: ProgFlag = _NO_FLAGS,
    attach_btf_id: int = 0,
) -> tuple[int, bytes]:
    """Load a program and close it; return 0 or the errno of the refusal, and the verifier's log."""
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
