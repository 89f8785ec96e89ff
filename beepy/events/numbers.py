"""Names of numbers that are the same in every kernel: errno, signals, open flags, capabilities.

A number without a name is shown as it is.
"""

import errno as errnos
import os
from typing import Final

from beepy.events import semantics

# include/linux/errno.h: returned within the kernel only, so Python does not know them
_INTERNAL: Final = {
    512: "ERESTARTSYS",
    513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND",
    515: "ENOIOCTLCMD",
    516: "ERESTART_RESTARTBLOCK",
    517: "EPROBE_DEFER",
    518: "EOPENSTALE",
    519: "ENOPARAM",
    521: "EBADHANDLE",
    522: "ENOTSYNC",
    523: "EBADCOOKIE",
    524: "ENOTSUPP",
    525: "ETOOSMALL",
    526: "ESERVERFAULT",
    527: "EBADTYPE",
    528: "EJUKEBOX",
    529: "EIOCBQUEUED",
    530: "ERECALLCONFLICT",
}
_ERRNOS: Final = {
    **errnos.errorcode,
    errnos.EDEADLK: "EDEADLK",  # not EDEADLOCK, which is the same number
    errnos.EOPNOTSUPP: "EOPNOTSUPP",
    **_INTERNAL,
}

_ACCESS: Final = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")
_OPEN: Final = (  # those of several bits before their parts
    "O_TMPFILE",
    "O_SYNC",
    "O_CREAT",
    "O_EXCL",
    "O_NOCTTY",
    "O_TRUNC",
    "O_APPEND",
    "O_NONBLOCK",
    "O_DSYNC",
    "O_ASYNC",
    "O_DIRECT",
    "O_DIRECTORY",
    "O_NOFOLLOW",
    "O_NOATIME",
    "O_CLOEXEC",
    "O_PATH",
)
_ARM_NOFOLLOW: Final = (
    0o100000  # arch/arm64/include/uapi/asm/fcntl.h; O_LARGEFILE is this bit elsewhere
)
_LARGEFILE: Final = (
    0o400000 if os.O_NOFOLLOW == _ARM_NOFOLLOW else 0o100000
)  # the C library defines it as 0

_CORE_DUMPED: Final = 0x80  # of an exit status

# include/uapi/linux/capability.h
_CAPABILITIES: Final = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)

_ALL_CAPABILITIES: Final = (1 << len(_CAPABILITIES)) - 1
_MINOR_BITS: Final = 20  # MINORBITS (include/linux/kdev_t.h)

# include/linux/socket.h
_FAMILIES: Final = {
    0: "AF_UNSPEC",
    1: "AF_UNIX",
    2: "AF_INET",
    10: "AF_INET6",
    15: "AF_KEY",
    16: "AF_NETLINK",
    17: "AF_PACKET",
    29: "AF_CAN",
    31: "AF_BLUETOOTH",
    38: "AF_ALG",
    40: "AF_VSOCK",
    44: "AF_XDP",
}

# include/uapi/linux/in.h
_PROTOCOLS: Final = {
    1: "ICMP",
    2: "IGMP",
    4: "IPIP",
    6: "TCP",
    17: "UDP",
    33: "DCCP",
    41: "IPV6",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPV6",
    132: "SCTP",
    136: "UDPLITE",
    262: "MPTCP",
}

# include/net/tcp_states.h, from 1 on
_TCP_STATES: Final = (
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
    "BOUND_INACTIVE",
)


def result(value: int) -> str:
    """Return the text of a function's result: a negative errno with its name, else the number."""
    return _with_errno(value, -value)


def errno(value: int) -> str:
    """Return an errno, negative or not, with its name."""
    return _with_errno(value, abs(value))


def _with_errno(value: int, number: int) -> str:
    name = _ERRNOS.get(number)
    return f"{value} {name}" if name else str(value)


def open_flags(value: int) -> str:
    """Return the flags of open(2), joined by ``|``, and bits without a name in hex.

    They stand in the order of their lowest bits.
    """
    rest = value & ~os.O_ACCMODE
    flags = []
    for name, bits in (*[(name, getattr(os, name)) for name in _OPEN], ("O_LARGEFILE", _LARGEFILE)):
        if rest & bits == bits:
            flags.append((bits & -bits, name))
            rest &= ~bits
    names = [_ACCESS[value & os.O_ACCMODE], *[name for _, name in sorted(flags)]]
    return "|".join([*names, f"{rest:#x}"] if rest else names)


def mode(value: int) -> str:
    """Return a file's mode in octal, as chmod(1) takes it."""
    return f"0{value:o}" if value > 0 else str(value)


def signal(value: int) -> str:
    """Return a signal's name; bit 7 of an exit status means that a core was dumped."""
    from signal import Signals  # noqa: PLC0415 - few records have signals

    number, dumped = value & ~_CORE_DUMPED, value & _CORE_DUMPED
    try:
        name = Signals(number).name
    except ValueError:
        return str(value)
    return f"{name} (core dumped)" if dumped else name


def capability(value: int) -> str:
    """Return a capability's name."""
    return f"CAP_{_CAPABILITIES[value]}" if 0 <= value < len(_CAPABILITIES) else str(value)


def family(value: int) -> str:
    """Return an address family's name."""
    return _FAMILIES.get(value, str(value))


def protocol(value: int) -> str:
    """Return the name of an IP protocol."""
    return _PROTOCOLS.get(value, str(value))


def tcp_state(value: int) -> str:
    """Return the name of a TCP connection's state."""
    return _TCP_STATES[value - 1] if 0 < value <= len(_TCP_STATES) else str(value)


def capabilities(value: int) -> str:
    """Return the names of a set of capabilities, ``all`` of those that have a name here."""
    if value & _ALL_CAPABILITIES == _ALL_CAPABILITIES:
        return "all"
    known = [f"CAP_{name}" for bit, name in enumerate(_CAPABILITIES) if value >> bit & 1]
    rest = value & ~_ALL_CAPABILITIES
    return "|".join([*known, f"{rest:#x}"] if rest else known) or "none"


def device(value: int) -> str:
    """Return the text of the kernel's number of a device: 8:1."""
    return "{}:{}".format(*major_and_minor(value))


def major_and_minor(value: int) -> tuple[int, int]:
    """Return the two numbers of a device that the kernel has in one (dev_t)."""
    return value >> _MINOR_BITS, value & (1 << _MINOR_BITS) - 1


def port(value: int) -> str:
    """Return a port that is in network order."""
    return str(value >> 8 | (value & 0xFF) << 8)


def ipv4(value: int) -> str:
    """Return the address that an integer of 32 bits has, in network order."""
    return semantics.ipv4((value & 0xFFFFFFFF).to_bytes(4, "little"))


def ipv6(digits: str) -> str:
    """Return the address of 16 bytes in hexadecimal; of fewer, the digits."""
    return semantics.ipv6(bytes.fromhex(digits)) if len(digits) == 2 * 16 else digits


def mac(digits: str) -> str:
    """Return the address of six bytes in hexadecimal, with colons; of fewer, the digits."""
    return bytes.fromhex(digits).hex(":") if len(digits) == 2 * 6 else digits


def by_name(name: str) -> int | None:
    """Return the number of an errno, signal, capability, address family, protocol or TCP state.

    Names are those of the headers: ENOENT, SIGKILL, CAP_BPF, AF_INET, IPPROTO_TCP, TCP_LISTEN.
    """
    from signal import Signals  # noqa: PLC0415 - few expressions name one

    tables: tuple[tuple[str, dict[str, int]], ...] = (
        ("E", {text: number for number, text in _ERRNOS.items()} | _other_errnos()),
        ("SIG", {entry.name: entry.value for entry in Signals}),
        ("CAP_", {f"CAP_{text}": number for number, text in enumerate(_CAPABILITIES)}),
        ("AF_", {text: number for number, text in _FAMILIES.items()}),
        ("IPPROTO_", {f"IPPROTO_{text}": number for number, text in _PROTOCOLS.items()}),
        ("TCP_", {f"TCP_{text}": number for number, text in enumerate(_TCP_STATES, 1)}),
    )
    for prefix, table in tables:
        if name.startswith(prefix) and name in table:
            return table[name]
    return None


def is_errno(name: str) -> bool:
    """Return whether a name is that of an errno."""
    return name in _ERRNOS.values() or name in _other_errnos()


def _other_errnos() -> dict[str, int]:
    """Return the errnos that are second names of a number, such as EWOULDBLOCK."""
    return {name: getattr(errnos, name) for name in dir(errnos) if name.startswith("E")}
