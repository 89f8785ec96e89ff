"""USDT: probes that somebody wrote into a program (DTRACE_PROBE, <sys/sdt.h>), each at one or more places.

A place is a nop, and a note says where it stands and where its arguments are then. A uprobe goes there, and into the
maps of libbpf's usdt.bpf.h what bpf_usdt_arg() needs: a record of the arguments in ``__bpf_usdt_specs``, whose number
the program gets as its cookie; where the kernel has no cookies, ``__bpf_usdt_ip_to_spec_id`` tells it by the address.
"""

import errno
import os
from contextlib import ExitStack
from typing import Final, NamedTuple

from beepy.errors import AttachError, ElfError, KernelError, TargetError
from beepy.features import Feature
from beepy.hooks import binary, probe, usdt_args
from beepy.hooks.probe import Probe
from beepy.hooks.target import Point, Target
from beepy.kernel import features
from beepy.kernel.link import Link
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.obj import executable
from beepy.obj.executable import Executable
from beepy.text import safe, similar
from beepy.uapi import UpdateFlag

_log = Log(__name__)

_SPECS: Final = "__bpf_usdt_specs"
_IDS: Final = "__bpf_usdt_ip_to_spec_id"


class Place(NamedTuple):
    """One place of a probe: offsets in the file (``counter``: its semaphore's, 0: none), and its address."""

    offset: int
    counter: int
    address: int
    spec: bytes


class _Records:
    """Which records of a map of specs are free; equal ones are one, for as long as somebody uses it."""

    def __init__(self, size: int) -> None:
        self._free = list(range(size))[::-1]
        self._used: dict[bytes, list[int]] = {}  # spec -> number, users

    def take(self, spec: bytes, where: str) -> int:
        used = self._used.get(spec)
        if used is None:
            if not self._free:
                raise AttachError(f"{where}: map '{_SPECS}' is full: see BPF_USDT_MAX_SPEC_CNT", errno.E2BIG)
            used = self._used[spec] = [self._free.pop(), 0]
        used[1] += 1
        return used[0]

    def give(self, spec: bytes) -> None:
        used = self._used[spec]
        used[1] -= 1
        if not used[1]:
            self._free.append(self._used.pop(spec)[0])


class _Addresses:
    """Which record is that of the probe at an address, as programs find it without cookies."""

    def __init__(self) -> None:
        self._used: dict[bytes, list[int]] = {}  # key -> number, users

    def add(self, ids: Map, key: bytes, number: int, where: str) -> None:
        used = self._used.get(key)
        if used is None:
            try:
                ids.update(key, number.to_bytes(4, "little"), UpdateFlag.NOEXIST)
            except KernelError as error:
                raise AttachError(f"{where}: {error}", error.errno or 0) from None
            used = self._used[key] = [number, 0]
        elif used[0] != number:
            why = "another probe stands at the same address, and this kernel has no cookies to tell them apart"
            raise AttachError(f"{where}: {why}", errno.EEXIST)
        used[1] += 1

    def remove(self, ids: Map, key: bytes) -> None:
        used = self._used[key]
        used[1] -= 1
        if not used[1]:
            del self._used[key]
            ids.delete(key)


class _Used(NamedTuple):
    """What the programs of one collection use of the maps that they share."""

    records: _Records
    addresses: _Addresses


def attach(program: Program, target: Target) -> Link:
    """Attach to all places of BINARY:PROVIDER:NAME. Raises AttachError, NotSupported."""
    what = f"usdt {safe(target.name)}" if target.name else "usdt"
    where = f"program '{safe(program.name)}': {what}"
    name, provider, probe_name = _parse(target, program, where)
    specs, ids = _maps(target, where)
    path = binary.find(name, target.pid, where)
    cookies = features.has(Feature.BPF_COOKIE)
    with binary.opened(path, where) as file:
        places = _places(file, provider, probe_name, specs.value_size)
        base = 0 if cookies or file.fixed else _load_address(file, path, target.pid, where)
    used = _used(target, specs)
    with ExitStack() as undo:
        for place in places:
            number = used.records.take(place.spec, where)
            undo.callback(used.records.give, place.spec)
            _put(specs, number, place.spec, where)
            if not cookies:
                key = (place.address + base).to_bytes(8, "little")
                used.addresses.add(ids, key, number, where)
                undo.callback(used.addresses.remove, ids, key)
            at = Probe("uprobe", path, place.offset, False, target.pid, place.counter)
            undo.enter_context(probe.attach(program, at, what, number if cookies else 0))
        return Link(then=(undo.pop_all().close,))


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return what makes probes."""
    return [probe.UPROBES]


def _used(target: Target, specs: Map) -> _Used:
    """Return what the programs of the target's collection use of its maps."""
    shared = {} if target.shared is None else target.shared
    used = shared.get(_SPECS)
    if not isinstance(used, _Used):
        used = shared[_SPECS] = _Used(_Records(specs.max_entries), _Addresses())
    return used


def _put(specs: Map, number: int, spec: bytes, where: str) -> None:
    try:
        specs.update(number.to_bytes(4, "little"), spec)
    except KernelError as error:
        raise AttachError(f"{where}: {error}", error.errno or 0) from None


def _parse(target: Target, program: Program, where: str) -> tuple[str, str, str]:
    """Return binary, provider and name; what --binary or --pid say may be left out of the text."""
    parts = target.name.split(":")
    if len(parts) == 2 and (target.binary or target.pid is not None):
        parts = ["", *parts]
    if len(parts) != 3 or not parts[1] or not parts[2]:
        wrong = TargetError(f"{where}: expected BINARY:PROVIDER:NAME", program.name)
        wrong.add_note(f"say where: --attach {safe(program.name)}=libc.so.6:libc:setjmp")
        raise wrong
    return target.binary or parts[0], parts[1], parts[2]


def _maps(target: Target, where: str) -> tuple[Map, Map]:
    try:
        return target.maps[_SPECS], target.maps[_IDS]
    except KeyError as missing:
        failed = AttachError(f"{where}: the object has no map {missing}", errno.ESRCH)
        failed.add_note("its C source must include <bpf/usdt.bpf.h>")
        raise failed from None


def _places(file: Executable, provider: str, name: str, spec_size: int) -> list[Place]:
    """Return the places of a probe. Raises ElfError."""
    if file.bits != 64:
        raise ElfError(f"{file.name}: a program of {file.bits} bits: its probes' arguments cannot be read")
    found = []
    there: set[str] = set()
    for one in executable.probes(file):
        there.add(f"{one.provider}:{one.name}")
        if (one.provider, one.name) == (provider, name):
            found.append(_place(file, one, spec_size))
    if not found:
        missing = ElfError(f"{file.name}: no USDT probe of that name")
        missing.add_note(_advice(f"{provider}:{name}", there))
        raise missing
    return found


def _advice(name: str, there: set[str]) -> str:
    if not there:
        return "it has none at all"
    close = similar(name, there) or sorted(there)[:8]
    return f"some of its {len(there)}: {', '.join(map(safe, close))}"


def _place(file: Executable, one: executable.Probe, spec_size: int) -> Place:
    where = f"{file.name}: {safe(one.provider)}:{safe(one.name)} at {one.address:#x}"
    offset = executable.file_offset(file, one.address)
    counter = executable.file_offset(file, one.semaphore) if one.semaphore else 0
    if offset is None or counter is None:
        raise ElfError(f"{where}: its address or its semaphore's is not one of the file's")
    try:
        arguments = usdt_args.parse(one.arguments, file.machine, lambda symbol: _distance(file, symbol, one.address))
    except ElfError as error:
        raise ElfError(f"{where}: {safe(str(error))}") from None
    spec = usdt_args.encode(arguments, spec_size)
    if spec is None:
        old = ElfError(f"{where}: '{safe(one.arguments)}': map '{_SPECS}' has no room for such ({spec_size} bytes)")
        old.add_note("compile the program with <bpf/usdt.bpf.h> of libbpf 1.7 or newer")
        raise old
    return Place(offset, counter, one.address, spec)


def _distance(file: Executable, symbol: str, address: int) -> int | None:
    """Return how far a variable stands from the probe."""
    found = executable.variable(file, symbol)
    return None if found is None else found - address


def _load_address(file: Executable, path: str, pid: int | None, where: str) -> int:
    """Return what a process adds to the addresses of a file that runs anywhere (a library, a PIE)."""
    if pid is None:
        why = f"{where}: this kernel has no cookies, so a probe in a library or PIE is told by a process's addresses"
        failed = Feature.BPF_COOKIE.not_supported(why)
        failed.add_note("--pid PID attaches it in one process")
        raise failed
    try:
        wanted = os.stat(path)  # noqa: PTH116
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as maps:  # noqa: PTH123
            for line in maps:
                span, _, offset, _, inode, *_ = line.split(maxsplit=5)
                if int(offset, 16) or inode == "0":
                    continue
                if _maps_file(pid, span, wanted):
                    return int(span.partition("-")[0], 16) - file.segments[0].address + file.segments[0].offset
    except OSError as error:
        raise AttachError.of(f"{where}: process {pid}", error) from None
    raise AttachError(f"{where}: process {pid} has not loaded {safe(path)}", errno.ESRCH)


def _maps_file(pid: int, span: str, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/map_files/{span}"), wanted)  # noqa: PTH116
    except FileNotFoundError:  # the process has unmapped it meanwhile
        return False
