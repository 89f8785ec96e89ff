"""Make the kernel refuse a system call to this process and its children, as older kernels do."""

import ctypes
import struct

_LD_W_ABS, _JEQ_K, _RET_K = 0x20, 0x15, 0x06  # classic BPF
_NUMBER, _FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
_ERRNO, _ALLOW = 0x00050000, 0x7FFF0000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def refuse(number: int, errno: int, first_argument: int | None = None) -> None:
    """Answer ``errno`` to system call ``number`` (with that first argument) from now on."""
    checks = (
        [(_NUMBER, number)]
        if first_argument is None
        else [(_NUMBER, number), (_FIRST_ARGUMENT, first_argument)]
    )
    insns = b""
    for done, (offset, value) in enumerate(checks):
        to_allow = 2 * (len(checks) - done) - 1
        insns += struct.pack("=HBBI", _LD_W_ABS, 0, 0, offset) + struct.pack(
            "=HBBI", _JEQ_K, 0, to_allow, value
        )
    insns += struct.pack("=HBBI", _RET_K, 0, 0, _ERRNO | errno) + struct.pack(
        "=HBBI", _RET_K, 0, 0, _ALLOW
    )
    kept = ctypes.create_string_buffer(insns, len(insns))
    program = _Program(len(insns) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
