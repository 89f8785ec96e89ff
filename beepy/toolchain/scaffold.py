"""Write a first program: what it watches, and how it hands over what it sees.

The programs attach to tracepoints: every kernel that runs bee's images has them, some lack kprobes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from string import Template
from textwrap import indent
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy.text import safe
from beepy.toolchain.files import as_image, default_object

_TEMPLATES: Final = Path(__file__).with_name("templates")


class _EventMember(NamedTuple):
    """One member of an event, and the statement that sets it.

    ``in_labels``: it has few values, so that a metric may have it as a label.
    """

    declaration: str
    statement: str
    in_labels: bool = True


class _Skeleton(NamedTuple):
    """What a program watches; ``skip`` is the condition for events that it leaves out."""

    title: str
    events: str
    section: str
    context: str
    skip: str
    members: tuple[_EventMember, ...]


_PID: Final = _EventMember(
    "u32 pid;", "event->pid = bpf_get_current_pid_tgid() >> 32;", in_labels=False
)
_COMM: Final = _EventMember(
    "char comm[16]; // the process's name",
    "bpf_get_current_comm(event->comm, sizeof(event->comm));",
)
_VALUE: Final = _EventMember(
    "u64 value; // the gauge's: when it was, in seconds since boot",
    "event->value = bpf_ktime_get_ns() / 1000000000;",
)

PROGRAMS: Final[Mapping[str, _Skeleton]] = MappingProxyType(
    {
        "Network": _Skeleton(
            title="TCP connections that processes open",
            events="connections",
            section="tracepoint/sock/inet_sock_set_state",
            context="trace_event_raw_inet_sock_set_state",
            skip="ctx->protocol != IPPROTO_TCP || ctx->newstate != TCP_SYN_SENT",
            members=(
                _PID,
                _COMM,
                _EventMember(
                    "ipv6_addr daddr; // an IPv4 address is ::ffff:a.b.c.d",
                    "BPF_CORE_READ_INTO(&event->daddr, ctx, daddr_v6);",
                ),
                _EventMember("u16 dport;", "event->dport = ctx->dport;"),
            ),
        ),
        "FileSystem": _Skeleton(
            title="Files that processes open",
            events="opens",
            section="tracepoint/syscalls/sys_enter_openat",
            context="trace_event_raw_sys_enter",
            skip="",
            members=(
                _PID,
                _COMM,
                _EventMember("u32 uid;", "event->uid = bpf_get_current_uid_gid();"),
                _EventMember(
                    "char fname[128];",
                    "bpf_probe_read_user_str(event->fname, sizeof(event->fname), "
                    "(void *)ctx->args[1]);",
                    in_labels=False,
                ),
            ),
        ),
    }
)
"""What can be watched, by bee's names; the first is the default."""

MAPS: Final = ("RingBuffer", "HashMap")
OUTPUTS: Final = ("print", "counter", "gauge")


def source(path: Path, program: str, map_type: str, output: str) -> str:
    """Return a C source, to be written to ``path``, that ``beepy build`` compiles.

    Only an event that is printed has members with many values. The other arguments are of PROGRAMS,
    MAPS and OUTPUTS.
    """
    watched = PROGRAMS[program]
    is_ring = map_type == "RingBuffer"
    members = [
        member for member in watched.members if member.in_labels or (is_ring and output == "print")
    ]
    if is_ring and output == "gauge":
        members.append(_VALUE)
    template = Template((_TEMPLATES / f"{map_type}.c").read_text(encoding="ascii"))
    set_value = (_TEMPLATES / ("set.c" if output == "gauge" else "count.c")).read_text("ascii")
    return template.substitute(
        title=watched.title,
        file=safe(quote(str(path))),
        object=safe(quote(as_image(default_object(path)))),
        map=f"{output}_{watched.events}",
        section=watched.section,
        context=watched.context,
        members=_lines(member.declaration for member in members),
        skip=f"\tif ({watched.skip})\n\t\treturn 0;\n" if watched.skip else "",
        fill=_lines(member.statement for member in members),
        update="" if is_ring else Template(set_value).substitute(map=f"{output}_{watched.events}"),
    )


def _lines(statements: Iterable[str]) -> str:
    return indent("".join([f"{statement}\n" for statement in statements]), "\t")
