"""USDT: probes in the source of a program (DTRACE_PROBE, <sys/sdt.h>), each at one or more sites.

A site is a nop; an ELF note has its address and the operands of its arguments. A uprobe is put
there, and the maps of libbpf's usdt.bpf.h get what bpf_usdt_arg() needs (``usdt_maps``).
"""

import errno
import os
from contextlib import ExitStack
from typing import NamedTuple

from beepy.errors import AttachError, ElfError, TargetError
from beepy.features import Feature
from beepy.hooks import binary, probe, usdt_args, usdt_maps
from beepy.hooks.probe import ProbePoint
from beepy.hooks.target import Point, Target
from beepy.kernel import features
from beepy.kernel.link import Link, Step
from beepy.kernel.program import Program
from beepy.obj import executable
from beepy.obj.executable import Executable
from beepy.text import safe, similar


class UsdtSite(NamedTuple):
    """One site of a probe.

    ``offset`` and ``semaphore`` (0: none) are offsets in the file, ``address`` is the site's
    address in its ELF segment, ``spec`` describes the arguments.
    """

    offset: int
    semaphore: int
    address: int
    spec: bytes


def attach(program: Program, target: Target) -> Link:
    """Attach to all sites of BINARY:PROVIDER:NAME. Raises AttachError, NotSupported."""
    label = f"usdt {safe(target.name)}" if target.name else "usdt"
    where = f"program '{safe(program.name)}': {label}"
    name, provider, probe_name = _parse(target, program, where)
    maps = usdt_maps.of_collection(target, where)
    path = binary.find(name, target.pid, where)
    has_cookies = features.has(Feature.BPF_COOKIE)
    with binary.opened(path, where) as file:
        sites = _sites(file, provider, probe_name, maps.spec_size)
        base = 0
        if not has_cookies and not file.fixed:
            base = _load_address(file, path, target.pid, where)
    steps: set[Step] = set()
    with ExitStack() as undo:
        for site in sites:
            spec_id = maps.add_spec(site.spec, where)
            undo.callback(maps.remove_spec, site.spec)
            if not has_cookies:
                maps.add_address(site.address + base, spec_id, where)
                undo.callback(maps.remove_address, site.address + base)
            point = ProbePoint(
                kind="uprobe",
                place=path,
                offset=site.offset,
                returns=False,
                pid=target.pid,
                semaphore=site.semaphore,
            )
            cookie = spec_id if has_cookies else 0
            link = undo.enter_context(probe.attach(program, point, label, cookie))
            steps |= link.steps
        return Link(then=(undo.pop_all().close,), steps=steps)


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return the kernel's support for uprobes."""
    return [probe.UPROBES]


def _parse(target: Target, program: Program, where: str) -> tuple[str, str, str]:
    """Return binary, provider and name; with --binary or --pid the text needs no binary."""
    parts = target.name.split(":")
    if len(parts) == 2 and (target.binary or target.pid is not None):
        parts = ["", *parts]
    if len(parts) != 3 or not parts[1] or not parts[2]:
        error = TargetError(f"{where}: expected BINARY:PROVIDER:NAME", program.name)
        error.add_note(f"give a target: --attach {safe(program.name)}=libc.so.6:libc:setjmp")
        raise error
    return target.binary or parts[0], parts[1], parts[2]


def _sites(file: Executable, provider: str, name: str, spec_size: int) -> list[UsdtSite]:
    """Return the sites of a probe. Raises ElfError."""
    if file.bits != 64:
        raise ElfError(f"{file.name}: {file.bits}-bit USDT arguments are not supported")
    sites = []
    names: set[str] = set()
    for note in executable.probes(file):
        names.add(f"{note.provider}:{note.name}")
        if (note.provider, note.name) == (provider, name):
            sites.append(_site(file, note, spec_size))
    if not sites:
        error = ElfError(f"{file.name}: no such USDT probe")
        error.add_note(_advice(f"{provider}:{name}", names))
        raise error
    return sites


def _advice(name: str, names: set[str]) -> str:
    """Return a note with similar probes of a file, else with some of them."""
    if not names:
        return "the file has no USDT probes"
    close = similar(name, names) or sorted(names)[:8]
    return f"some of its {len(names)}: {', '.join(map(safe, close))}"


def _site(file: Executable, note: executable.Probe, spec_size: int) -> UsdtSite:
    """Return the site that a note describes; ``spec_size`` is in bytes. Raises ElfError."""
    where = f"{file.name}: {safe(note.provider)}:{safe(note.name)} at {note.address:#x}"
    offset = executable.file_offset(file, note.address)
    semaphore = executable.file_offset(file, note.semaphore) if note.semaphore else 0
    if offset is None or semaphore is None:
        raise ElfError(f"{where}: its address or its semaphore's is not in the file")

    def distance(symbol: str) -> int | None:
        address = executable.variable(file, symbol)
        return None if address is None else address - note.address

    try:
        arguments = usdt_args.parse(note.arguments, file.machine, distance)
    except ElfError as error:
        raise ElfError(f"{where}: {safe(str(error))}") from None
    spec = usdt_args.encode(arguments, spec_size)
    if spec is None:
        why = f"specs of {spec_size} bytes in the object have no room for '{safe(note.arguments)}'"
        too_small = ElfError(f"{where}: {why}")
        too_small.add_note("compile the program with <bpf/usdt.bpf.h> of libbpf 1.7 or newer")
        raise too_small
    return UsdtSite(offset, semaphore, note.address, spec)


def _load_address(file: Executable, path: str, pid: int | None, where: str) -> int:
    """Return what a process adds to the addresses of a position-independent file.

    Raises AttachError; NotSupported without a process.
    """
    if pid is None:
        why = "this kernel has no cookies, so a library or PIE can be probed in one process only"
        error = Feature.BPF_COOKIE.not_supported(f"{where}: {why}")
        error.add_note("--pid PID attaches it in one process")
        raise error
    try:
        status = os.stat(path)  # noqa: PTH116
        maps_path = f"/proc/{pid}/maps"
        with open(maps_path, encoding="utf-8", errors="surrogateescape") as maps:  # noqa: PTH123
            for line in maps:
                addresses, _, offset, _, inode, *_ = line.split(maxsplit=5)
                if int(offset, 16) or inode == "0":
                    continue
                if _is_mapping_of(pid, addresses, status):
                    start = int(addresses.partition("-")[0], 16)
                    return start - file.segments[0].address + file.segments[0].offset
    except OSError as error:
        raise AttachError.of(f"{where}: process {pid}", error) from None
    raise AttachError(f"{where}: process {pid} has not loaded {safe(path)}", errno.ESRCH)


def _is_mapping_of(pid: int, addresses: str, status: os.stat_result) -> bool:
    """Tell whether a process has a file mapped at these addresses."""
    # map_files, because the device in /proc/PID/maps may differ from stat's (btrfs, overlayfs)
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/map_files/{addresses}"), status)  # noqa: PTH116
    except FileNotFoundError:  # the process has unmapped it meanwhile
        return False
