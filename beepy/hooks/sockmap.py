"""Maps of sockets: a program attached to one sees what its sockets receive or send."""

import errno
import os
from typing import Final

from beepy import sections, uapi
from beepy.errors import AttachError, KernelError
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import NO_ATTACH_TYPE, MapType

_log = Log(__name__)

_TYPES: Final = frozenset({MapType.SOCKMAP, MapType.SOCKHASH})


def attach(program: Program, target: Target) -> Link:
    """Attach to the map of --attach, else to the object's only SOCKMAP or SOCKHASH.

    Before v6.10 there is no link for that: BPF_PROG_ATTACH is used. The attachment never outlives
    the map. Raises AttachError, also for ``sk_skb``, which names neither parser nor verdict.
    """
    where = f"program '{safe(program.name)}'"
    hook = sections.find(program.section)
    if hook and hook.attach_type == NO_ATTACH_TYPE:
        section = safe(program.section)
        error = AttachError(f"{where}: section '{section}' names neither parser nor verdict")
        error.add_note("use section sk_skb/stream_parser, sk_skb/stream_verdict or sk_skb/verdict")
        raise error
    socket_map = _socket_map(program, target)
    try:
        return link.create(program, socket_map.fd.fileno(), program.attach_type)
    except AttachError as error:
        if error.errno != errno.EINVAL:
            raise
    _log.info("%s: no sockmap link, attaching by BPF_PROG_ATTACH", where)
    map_where = f"map '{safe(socket_map.name)}' ({program.attach_type.name})"
    try:
        attr = _attr(socket_map, program.fd.fileno(), program)
        syscall.prog_attach(attr, map_where)
    except KernelError as error:
        raise AttachError.wrap(error, where) from error
    program_fd = Fd(os.dup(program.fd.fileno()))  # its own may be closed before the link

    def detach() -> None:
        attr = _attr(socket_map, program_fd.fileno(), program)
        syscall.prog_detach(attr, f"{map_where}: detach")

    return Link(then=(detach, program_fd.close))


def _attr(socket_map: Map, program_fd: int, program: Program) -> uapi.ProgAttach:
    return uapi.ProgAttach(
        target_fd=socket_map.fd.fileno(),
        attach_bpf_fd=program_fd,
        attach_type=program.attach_type,
    )


def _socket_map(program: Program, target: Target) -> Map:
    """Return the map to attach to. Raises AttachError with a note that lists the candidates."""
    where = f"program '{safe(program.name)}'"
    candidates = {name: map_ for name, map_ in target.maps.items() if map_.type in _TYPES}
    names = safe(", ".join(candidates)) or "none"
    if target.name:
        if target.name in candidates:
            return candidates[target.name]
        why = f"map '{safe(target.name)}': not a SOCKMAP or SOCKHASH of the object"
        error = AttachError(f"{where}: {why}")
        error.add_note(f"socket maps: {names}")
        raise error
    if len(candidates) == 1:
        return next(iter(candidates.values()))
    why = "several socket maps, choose one" if candidates else "the object has no socket map"
    error = AttachError(f"{where}: {safe(program.section)}: {why}")
    error.add_note(f"--attach {safe(program.name)}=MAP; socket maps: {names}")
    raise error
