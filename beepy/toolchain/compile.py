"""Compile a C source for each architecture: by our build script, or by the user's.

A script is called as bee calls it: ``sh SCRIPT SOURCE OBJECT``, in the working directory, with what
--cflags gave in CFLAGS. ``build.sh`` is ours, and says what else it is given.
"""

import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final, NamedTuple

from beepy.errors import BuildError, UsageError, worded
from beepy.file_bytes import ELF_MAGIC
from beepy.log import Log
from beepy.oci.descriptor import MAX_IMAGE
from beepy.source import parse
from beepy.text import safe
from beepy.toolchain import files, tools, vmlinux
from beepy.toolchain.architectures import ARCHITECTURES, INCLUDE, Architecture

_log = Log(__name__)

SCRIPT: Final = Path(__file__).with_name("build.sh")
"""Our build script."""

_MISSING: Final = re.compile(r"fatal error: '([^'\n]+)' file not found")
_PACKAGES: Final = {"bpf": "libbpf-dev", "linux": "linux-libc-dev", "asm": "linux-libc-dev"}
_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MAX_MESSAGES: Final = 1 << 18  # bytes of what a compiler writes


class CompileOptions(NamedTuple):
    """How to compile. None: our script; the types of the running kernel."""

    cflags: Sequence[str] = ()
    script: Path | None = None
    btf: Path | None = None


def compile_all(
    source: Path, architectures: Sequence[str], options: CompileOptions, show: Callable[[str], None]
) -> Mapping[str, bytes]:
    """Return the object for each of the ``architectures`` of ``ARCHITECTURES``.

    ``show`` gets each line that the compiler writes. Raises BuildError, ObjectError for what the
    script wrote if that is no object, UsageError for types that the source does not include.
    """
    where = safe(str(source))
    if _first_bytes(source, where) == ELF_MAGIC:
        error = BuildError(f"{where}: an ELF object, not C source")
        error.add_note(f"beepy run {safe(shlex.quote(files.as_image(source)))}")
        raise error
    if options.script:
        _first_bytes(options.script, f"build script {safe(str(options.script))}")
    compiler = None if options.script else tools.clang()
    objects: dict[str, bytes] = {}
    types = None
    with TemporaryDirectory(prefix="beepy-") as name:
        for architecture in architectures:
            directory = Path(name, architecture)
            directory.mkdir()
            target = ARCHITECTURES[architecture]
            environment = _environment(directory, target, options, compiler)
            outcome = _run(source, directory, options, environment)
            if outcome.missing == vmlinux.NAME:
                types = types or vmlinux.dump(options.btf, Path(name))
                header = vmlinux.header(types, target)
                Path(directory, vmlinux.NAME).write_text(header, encoding="utf-8")
                outcome = _run(source, directory, options, environment)
            _check(outcome, where, options, compiler, show)
            objects[architecture] = _object(directory, where)
            _log.info("%s: compiled for %s", where, architecture)
    if options.btf and types is None:
        given = f"--btf {safe(str(options.btf))}"
        raise UsageError(worded(f"{given}: {where} includes no vmlinux.h, or finds another one"))
    return objects


class _Outcome(NamedTuple):
    code: int
    messages: str

    @property
    def missing(self) -> str:
        """The header that the compiler did not find."""
        match = _MISSING.search(self.messages) if self.code else None
        return match[1] if match else ""


def _first_bytes(path: Path, where: str) -> bytes:
    """Return the first bytes of a regular file. Raises BuildError if it cannot be read."""
    try:
        if not path.is_file():
            path.stat()  # raises if nothing is there
            raise BuildError(f"{where}: not a regular file")
        with path.open("rb") as file:
            return file.read(len(ELF_MAGIC))
    except OSError as error:
        raise BuildError(f"{where}: {(error.strerror or str(error)).lower()}") from error


def _environment(
    directory: Path, target: Architecture, options: CompileOptions, compiler: tools.Clang | None
) -> dict[str, str]:
    """Return the variables of the script; ours needs all of them, another may ignore them."""
    include = [
        str(directory),
        str(INCLUDE),
        *filter(None, os.environ.get("C_INCLUDE_PATH", "").split(os.pathsep)),
        # asm/types.h: of that architecture, else of this one
        *[f"/usr/include/{machine}-linux-gnu" for machine in (target.machine, os.uname().machine)],
    ]
    variables = {
        **os.environ,
        "C_INCLUDE_PATH": os.pathsep.join(dict.fromkeys(include)),
        "CFLAGS": " ".join(options.cflags),
        "TARGET_ARCH": target.define,
        "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "0"),  # __DATE__, since clang 16
    }
    if compiler:
        variables |= {"CLANG": compiler.path, "LLVM_STRIP": tools.llvm_strip(compiler)}
    return variables


def _run(
    source: Path, directory: Path, options: CompileOptions, environment: Mapping[str, str]
) -> _Outcome:
    """Run the build script to its end; if we are interrupted, kill it and what it has started."""
    script = (options.script or SCRIPT).absolute()
    name = str(source)  # as it is typed, but never an option
    name = f"./{name}" if name.startswith("-") else name
    command = ["sh", str(script), name, str(directory / "object.o")]
    process = None
    with Path(directory, "messages").open("w+b") as messages:
        try:
            with _interrupted_afterwards():
                process = subprocess.Popen(  # noqa: S603 - the user's own script
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=messages,
                    stderr=messages,
                    start_new_session=True,
                )
            code = process.wait()
        except BaseException:
            if process:
                with suppress(ProcessLookupError):  # it ended meanwhile
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            raise
        messages.seek(0)
        text = messages.read(_MAX_MESSAGES).decode(errors="replace")
        if messages.read(1):
            text += f"\n... more than {_MAX_MESSAGES} bytes"
        return _Outcome(code, text)


@contextmanager
def _interrupted_afterwards() -> Iterator[None]:
    """Call the handlers of signals that come in the block at its end.

    An exception of theirs, raised while a process is started, would leave it without an owner.
    """
    if threading.current_thread() is not threading.main_thread():  # others are not interrupted
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handlers = {int(number): signal.getsignal(number) for number in _INTERRUPTS}
    own = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in own:
            signal.signal(number, lambda *arguments: came.append(arguments))
        yield
    finally:
        for number, handler in own.items():
            signal.signal(number, handler)
        for number, frame in came:
            own[number](number, frame)


def _check(
    outcome: _Outcome,
    where: str,
    options: CompileOptions,
    compiler: tools.Clang | None,
    show: Callable[[str], None],
) -> None:
    """Show what the compiler wrote. Raise BuildError if it failed."""
    room = outcome.missing.partition("/")[0]
    if room in _PACKAGES and "/" in outcome.missing:
        error = BuildError(f"{where}: {safe(outcome.missing)}: not found")
        error.add_note(f"apt install {_PACKAGES[room]}")
        raise error
    for line in outcome.messages.splitlines():
        show(safe(line.expandtabs()))
    if outcome.code:
        program = f"clang {compiler.version}" if compiler else safe(str(options.script))
        how = f"exit code {outcome.code}" if outcome.code > 0 else f"signal {-outcome.code}"
        raise BuildError(f"{where}: not compiled: {program} failed with {how}")


def _object(directory: Path, where: str) -> bytes:
    """Return the object; it has a program."""
    try:
        with Path(directory, "object.o").open("rb") as file:
            data = file.read(MAX_IMAGE + 1)
    except FileNotFoundError:
        raise BuildError(f"{where}: the build script wrote no object") from None
    if len(data) > MAX_IMAGE:
        raise BuildError(f"{where}: the object has more than {MAX_IMAGE} bytes")
    if not parse(data, name=where).programs:
        error = BuildError(f"{where}: no BPF program: no function has a section")
        error.add_note('SEC("tracepoint/syscalls/sys_enter_openat") before a function makes it one')
        raise error
    return data
