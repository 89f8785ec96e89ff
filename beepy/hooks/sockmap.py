"""Maps of sockets: a program attached to one sees what its sockets get or send."""

import errno
from typing import Final

from beepy import sections, uapi
from beepy.errors import AttachError, KernelError
from beepy.hooks.failure import failed
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel import program as programs
from beepy.kernel.link import Link
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.sys import syscall
from beepy.text import safe
from beepy.uapi import NO_ATTACH_TYPE, MapType

_log = Log(__name__)

_TYPES: Final = frozenset({MapType.SOCKMAP, MapType.SOCKHASH})


def attach(program: Program, target: Target) -> Link:
    """Attach to the map of --attach, else to the only SOCKMAP or SOCKHASH there is: by a link (v6.10), or without.

    Neither outlives the map. Raises AttachError, also for ``sk_skb``, which names neither parser nor verdict.
    """
    hook = sections.find(program.section)
    if hook and hook.attach_type == NO_ATTACH_TYPE:
        error = AttachError(f"program '{safe(program.name)}': section '{safe(program.section)}': parser or verdict?")
        error.add_note("libbpf attaches none either; sections that say it: sk_skb/stream_parser, sk_skb/stream_verdict")
        raise error
    found = _map(program, target)
    try:
        return link.create(program, found.fd.fileno(), program.attach_type)
    except AttachError as error:
        if error.errno != errno.EINVAL:
            raise
    _log.info("program '%s': no sockmap link, attaching without", safe(program.name))
    where = f"map '{safe(found.name)}' ({program.attach_type.name})"
    try:
        number = program.id()
        syscall.prog_attach(_attr(found, program.fd.fileno(), program), where)
    except KernelError as error:
        raise failed(program, error) from error

    def detach() -> None:
        with programs.by_id(number) as again:
            syscall.prog_detach(_attr(found, again.fileno(), program), f"{where}: detach")

    return Link(then=(detach,))


def _attr(found: Map, program_fd: int, program: Program) -> uapi.ProgAttach:
    return uapi.ProgAttach(target_fd=found.fd.fileno(), attach_bpf_fd=program_fd, attach_type=program.attach_type)


def _map(program: Program, target: Target) -> Map:
    where = f"program '{safe(program.name)}'"
    there = {name: one for name, one in target.maps.items() if one.type in _TYPES}
    listed = safe(", ".join(there)) or "none"
    if target.name:
        if target.name in there:
            return there[target.name]
        error = AttachError(f"{where}: map '{safe(target.name)}': no SOCKMAP or SOCKHASH of that name")
        error.add_note(f"maps of sockets: {listed}")
        raise error
    if len(there) == 1:
        return next(iter(there.values()))
    error = AttachError(f"{where}: {safe(program.section)}: which map is not clear")
    error.add_note(f"--attach {safe(program.name)}=MAP; maps of sockets: {listed}")
    raise error
