"""A program in the kernel, and how to load it."""

import ctypes
import errno
from types import TracebackType
from typing import Final, NamedTuple, Self

from beepy import uapi
from beepy.errors import KernelError, VerifierError
from beepy.obj.insn import SLOT
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import NO_ATTACH_TYPE, AttachType, ProgFlag, ProgType

_NO_FLAGS: Final = ProgFlag(0)
_ATTEMPTS: Final = 5  # as in libbpf; BPF_PROG_LOAD fails with EAGAIN if a signal is pending
_LOG_SIZE: Final = 1 << 18
_LOG_LIMIT: Final = (1 << 24) - 1  # kernels before v5.2 refuse more (7a9f5c65abcc)
_STATISTICS: Final = ("processed ", "verification time", "stack depth ")
_EXPLANATION: Final = "\nVerification failed: "  # how a long explanation begins, seen in v7.3
_HEADROOM: Final = 256  # bytes by which a program may grow a packet (XDP_PACKET_HEADROOM)


class RunResult(NamedTuple):
    """The result of BPF_PROG_TEST_RUN.

    ``duration`` is the mean of all repetitions, in ns; ``ctx`` and ``data`` are as the program left
    them.
    """

    retval: int
    duration: int
    ctx: bytes
    data: bytes


class Program:
    """Owns the ``fd`` of a program.

    ``section`` is the text of its SEC(); ``log`` is the verifier's log if one was requested, else
    "".
    """

    def __init__(  # noqa: PLR0917 - the attributes of a program
        self,
        fd: Fd,
        name: str,
        type: ProgType,  # noqa: A002 - the kernel's word
        attach_type: AttachType,
        section: str,
        log: str = "",
    ) -> None:
        self.fd = fd
        self.name = name
        self.type = type
        self.attach_type = attach_type
        self.section = section
        self.log = log

    def run(self, ctx: bytes = b"", data: bytes = b"", repeat: int = 0) -> RunResult:
        """Run the program once, or ``repeat`` times, on ``ctx`` and, for packet programs, ``data``.

        Raises KernelError: ENOTSUPP if programs of this type cannot be run, EINVAL if the type does
        not accept such a ``ctx``, ``data`` or ``repeat``.
        """
        ctx_buffer = ctypes.create_string_buffer(ctx, max(len(ctx), 1))
        data_buffer = ctypes.create_string_buffer(len(data) + _HEADROOM)
        # only packet programs have output buffers; a SYSCALL program writes to its ctx in place
        packet = bool(data)
        attr = uapi.ProgTestRun(
            prog_fd=self.fd.fileno(),
            data_size_in=len(data),
            data_size_out=len(data_buffer) if packet else 0,
            data_in=syscall.ptr(data),
            data_out=ctypes.addressof(data_buffer) if packet else 0,
            repeat=repeat,
            ctx_size_in=len(ctx),
            ctx_size_out=len(ctx) if packet else 0,
            ctx_in=ctypes.addressof(ctx_buffer) if ctx else 0,
            ctx_out=ctypes.addressof(ctx_buffer) if ctx and packet else 0,
        )
        syscall.prog_test_run(attr, f"program '{safe(self.name)}': test run")
        return RunResult(
            attr.retval,
            attr.duration,
            ctx_buffer.raw[: len(ctx)],
            data_buffer.raw[: attr.data_size_out],
        )

    def id(self) -> int:
        """Return the kernel's id of the program (assigned cyclically). Raises KernelError."""
        return int(self._info()[0].id)

    def recursion_misses(self) -> int | None:
        """Return how often the kernel did not run the program because one was running.

        None before v5.12 (9ed9e9ba2337, "bpf: Count the number of times recursion was prevented").
        Raises KernelError.
        """
        info, length = self._info()
        counted = length > uapi.ProgInfo.recursion_misses.offset
        return int(info.recursion_misses) if counted else None

    def _info(self) -> tuple[uapi.ProgInfo, int]:
        """Return the kernel's information, and how many bytes of it the kernel has."""
        info = uapi.ProgInfo()
        attr = uapi.ObjInfo(
            bpf_fd=self.fd.fileno(), info_len=ctypes.sizeof(info), info=ctypes.addressof(info)
        )
        syscall.obj_get_info_by_fd(attr, f"program '{safe(self.name)}': information")
        return info, int(attr.info_len)

    def code_addresses(self) -> tuple[int, ...]:
        """Return where the kernel has the code of the program and of its functions.

        Empty if the kernel interprets programs, or hides addresses. Raises KernelError.
        """
        where = f"program '{safe(self.name)}': addresses"
        info = uapi.ProgInfo()
        attr = uapi.ObjInfo(
            bpf_fd=self.fd.fileno(), info_len=ctypes.sizeof(info), info=ctypes.addressof(info)
        )
        syscall.obj_get_info_by_fd(attr, where)
        addresses = (ctypes.c_uint64 * info.nr_jited_ksyms)()
        again = uapi.ProgInfo(
            nr_jited_ksyms=len(addresses), jited_ksyms=ctypes.addressof(addresses)
        )
        attr.info = ctypes.addressof(again)
        syscall.obj_get_info_by_fd(attr, where)
        return tuple([address for address in addresses if address])

    def read_stream(self, stream: int, size: int = 1 << 14) -> bytes:
        """Return what the program, or the kernel about it, has written into one of its streams.

        ``stream`` is one of ``BPF_STREAM_*``; b"" if it is empty. Raises KernelError: EINVAL before
        v6.17 (5ab154f1463a, "bpf: Introduce BPF standard streams").
        """
        buffer = ctypes.create_string_buffer(size)
        attr = uapi.ProgStreamRead(
            stream_buf=ctypes.addressof(buffer),
            stream_buf_len=size,
            stream_id=stream,
            prog_fd=self.fd.fileno(),
        )
        length = syscall.prog_stream_read(attr, f"program '{safe(self.name)}': stream {stream}")
        return buffer.raw[:length]

    def close(self) -> None:
        """Close the descriptor; the kernel keeps the program while it is attached or pinned."""
        self.fd.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_by_id(program_id: int) -> Fd:
    """Return a descriptor of the loaded program with that id; the caller owns it.

    Raises KernelError: ENOENT if no such program is loaded, EPERM without CAP_SYS_ADMIN.
    """
    where = f"program {program_id}"
    try:
        fd = syscall.prog_get_fd_by_id(uapi.GetId(id=program_id), where)
    except KernelError as error:
        from beepy.kernel import privilege  # noqa: PLC0415 - only where the kernel refuses

        raise privilege.with_capability(error, "CAP_SYS_ADMIN") from None
    if fd is None:
        raise KernelError(f"{where}: not loaded", errno.ENOENT)
    return fd


def load(
    name: str,
    section: str,
    type: ProgType,  # noqa: A002 - the kernel's word
    insns: bytes,
    license: str,  # noqa: A002 - the kernel's word
    *,
    attach_type: AttachType = NO_ATTACH_TYPE,
    member: int | None = None,
    flags: ProgFlag = _NO_FLAGS,
    kernel_version: int = 0,
    attach_btf_id: int = 0,
    attach_btf: Fd | None = None,
    attach_prog: Fd | None = None,
    btf: Fd | None = None,
    func_info: bytes = b"",
    line_info: bytes = b"",
    fd_array: bytes = b"",
    log_level: int = 0,
) -> Program:
    """Load a program; the caller owns it, and still owns every Fd that it passes.

    ``func_info`` and ``line_info`` are records of 8 and 16 bytes, whose type ids and string offsets
    belong to ``btf``. ``attach_btf`` is the BTF of a kernel module; ``attach_prog`` the program of
    which an EXT program replaces a function. ``member`` is the index of the operation that a
    STRUCT_OPS program implements; the kernel takes it instead of an attach type. With a
    ``log_level`` above 0 the Program has the verifier's ``log``.

    If the kernel refuses, the program is loaded again for the verifier's log. Raises VerifierError
    with the whole log, KernelError if the kernel wrote no log.
    """
    where = f"program '{safe(name)}': load"
    license_text = license.encode() + b"\0"
    attach = attach_prog or attach_btf
    attr = uapi.ProgLoad(
        prog_type=type,
        insn_cnt=len(insns) // SLOT,
        insns=syscall.ptr(insns),
        license=syscall.ptr(license_text),
        kern_version=kernel_version,
        prog_flags=flags,
        prog_name=syscall.object_name(name),
        expected_attach_type=attach_type if member is None else member,
        prog_btf_fd=btf.fileno() if btf else 0,
        func_info_rec_size=8 if func_info else 0,
        func_info=syscall.ptr(func_info),
        func_info_cnt=len(func_info) // 8,
        line_info_rec_size=16 if line_info else 0,
        line_info=syscall.ptr(line_info),
        line_info_cnt=len(line_info) // 16,
        attach_btf_id=attach_btf_id,
        attach_prog_fd=attach.fileno() if attach else 0,
        fd_array=syscall.ptr(fd_array),
    )
    fd, log = (
        _load_with_log(attr, where, log_level) if log_level else _load_without_log(attr, where)
    )
    return Program(fd, name, type, attach_type=attach_type, section=section, log=log)


def _load_without_log(attr: uapi.ProgLoad, where: str) -> tuple[Fd, str]:
    """Load without a log, which would cost time; if the kernel refuses, load again with a log."""
    try:
        return _prog_load(attr, where), ""
    except KernelError as error:
        if error.errno == errno.EPERM:
            from beepy.kernel import memlock  # noqa: PLC0415 - only where the kernel refuses

            memlock.raise_limit()
        if error.errno == errno.EINVAL:
            from beepy.kernel import features  # noqa: PLC0415 - as above

            attr.prog_name = features.sanitize_name(attr.prog_name)
        refused = error
    return _load_with_log(attr, where, 1, refused)


def _prog_load(attr: uapi.ProgLoad, where: str) -> Fd:
    """Call BPF_PROG_LOAD, several times if signals interrupt it."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return syscall.prog_load(attr, where)
        except KernelError as error:
            if error.errno != errno.EAGAIN:
                raise
    return syscall.prog_load(attr, where)


def _load_with_log(
    attr: uapi.ProgLoad, where: str, level: int, refused: KernelError | None = None
) -> tuple[Fd, str]:
    """Load with a buffer for the verifier's log, which grows while the kernel answers ENOSPC.

    ``refused`` is the error of the attempt without a log. It is the reason that is raised if the
    log does not fit into the largest buffer either.
    """
    size = _LOG_SIZE
    while True:
        buffer = ctypes.create_string_buffer(size)
        attr.log_level, attr.log_size, attr.log_buf = level, size, ctypes.addressof(buffer)
        try:
            return _prog_load(attr, where), _text(buffer)
        except KernelError as error:
            if error.errno == errno.ENOSPC and size < _LOG_LIMIT:
                size = min(size * 8, _LOG_LIMIT)
                continue
            why = refused if refused and error.errno == errno.ENOSPC else error
            log = _text(buffer)
            lines = relevant_lines(log)
            if not lines:  # it was refused before the verifier looked at it
                raise why from None
            raise VerifierError(f"{why}: {safe(lines[-1].strip())}", why.errno or 0, log) from None
        finally:
            attr.log_level, attr.log_size, attr.log_buf = 0, 0, 0


def _text(buffer: ctypes.Array[ctypes.c_char]) -> str:
    return buffer.value.decode("utf-8", "backslashreplace")


def relevant_lines(log: str) -> list[str]:
    """Return the lines of the verifier's log up to the reason of the refusal, which is the last.

    The log goes on with statistics, and in newer kernels (seen in v7.3) with a long explanation of
    the reason.
    """
    lines = [line.rstrip() for line in log.partition(_EXPLANATION)[0].splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(_STATISTICS)]
