"""TABLE: which numbers of a record mean what, by the names of their typedefs and members.

The first rule that fits applies. These texts are for people: JSON, labels and filters keep the
numbers.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from beepy.events import numbers
from beepy.events.fields import Field

Text: TypeAlias = Callable[[Any], str]

_MICROSECOND: Final = 1_000
_MILLISECOND: Final = 1_000_000


class Rule(NamedTuple):
    """One meaning, and which integers have it.

    They have one of the ``typedefs``, or one of the ``names``, or a name with one of the
    ``endings``. Their size is one of ``bits``. ``signed``: only signed integers. ``beside``: only
    if a member of one of these names is in the same record. ``unit`` is how many nanoseconds one
    count of a time or duration is. ``text`` is None if the number itself is shown.

    ``hex``: not integers, but arrays of bytes, whose text in hexadecimal ``text`` gets. ``machine``
    is the function of ``Machine`` that knows a name; it is shown in place of ``text``, or behind it
    if ``both``.
    """

    meaning: str
    text: Text | None = None
    machine: str = ""
    both: bool = False
    hex: bool = False
    unit: int = 0
    typedefs: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()
    bits: tuple[int, ...] = (32, 64)
    signed: bool = False
    beside: frozenset[str] = frozenset()

    def fits(self, field: Field, name: str, others: frozenset[str]) -> bool:
        """Return whether a field of that name, beside those ``others``, has this meaning."""
        if self.hex != (field.codec.value is bytes.hex):
            return False
        if field.bits not in self.bits or (self.signed and field.codec.code not in {"i", "q"}):
            return False
        if not self.typedefs.isdisjoint(field.typedefs):
            return True
        named = name in self.names or name.endswith(self.endings)
        return named and (not self.beside or not self.beside.isdisjoint(others))


TIME: Final = "time"
RECENT: Final = "recent time"
DURATION: Final = "duration"

BEGIN: Final = frozenset(("start", "begin", "enter", "entry", "create", "birth", "fork"))
END: Final = frozenset(("end", "exit", "stop"))
EVENT: Final = frozenset(("ts", "timestamp", "time", "ktime"))
"""The first words of the names of times: of a beginning, of an end, of an event itself."""

_FILE: Final = frozenset(("fname", "filename", "file_name", "pathname"))
PATHS: Final = _FILE | {"path", "exe", "exepath", "cwd"}
"""Names of texts that are paths."""

_ADDRESS: Final = frozenset(("sport", "dport", "lport", "saddr", "daddr", "laddr", "raddr"))


def _beginnings_and_ends(*suffixes: str) -> frozenset[str]:
    """Return names such as ``start_SUFFIX`` and ``exit_SUFFIX``."""
    return frozenset([f"{word}_{suffix}" for word in BEGIN | END for suffix in suffixes])


def _namespaces(*suffixes: str) -> frozenset[str]:
    """Return names such as ``mnt_ns`` and ``mntns_id``."""
    kinds = ("pid", "mnt", "net", "user", "uts", "ipc", "cgroup", "time")
    return frozenset([f"{kind}{suffix}" for kind in kinds for suffix in suffixes])


def _addresses(*suffixes: str) -> frozenset[str]:
    """Return names such as ``saddr`` and ``daddr_v4``."""
    kinds = ("saddr", "daddr", "laddr", "raddr", "src_addr", "dst_addr", "addr")
    names = [f"{kind}{suffix}" for kind in kinds for suffix in suffixes]
    return frozenset(names) - {"addr"}  # which may be any address


KERNEL_STACK_IDS: Final = frozenset(("kern_stack_id", "kernel_stack_id", "kstack_id", "k_stack_id"))
USER_STACK_IDS: Final = frozenset(("user_stack_id", "ustack_id", "u_stack_id"))
"""Names of ids of stacks that are in a map of stacks."""

CGROUPS: Final = frozenset(("cgroup", "cgroup_id", "cgroupid", "cgid", "cgrp_id"))
"""Names of the ids of cgroups."""

TABLE: Final = (  # the first rule that fits applies
    Rule(
        "namespace",
        machine="namespace",
        both=True,
        typedefs=frozenset(("gadget_mntns_id", "gadget_netns_id")),
        names=_namespaces("_ns", "_ns_id", "ns", "ns_id", "nsid", "_ns_inum"),
    ),
    Rule(
        TIME,
        unit=1,
        typedefs=frozenset(("gadget_timestamp", "ktime_t")),
        names=_beginnings_and_ends("time", "ns", "time_ns")
        | {
            "ts",
            "timestamp",
            "ktime",
            "ts_ns",
            "timestamp_ns",
            "ktime_ns",
            "start_boottime",
            "first_seen",
            "last_seen",
        },
        endings=("_ts", "_timestamp", "_ktime", "_ts_ns", "_timestamp_ns"),
        bits=(64,),
    ),
    Rule(
        TIME,
        unit=_MICROSECOND,
        names=_beginnings_and_ends("us", "time_us") | {"ts_us", "timestamp_us"},
        endings=("_ts_us", "_timestamp_us"),
        bits=(64,),
    ),
    Rule(
        TIME,
        unit=_MILLISECOND,
        names=_beginnings_and_ends("ms", "time_ms") | {"ts_ms", "timestamp_ms"},
        endings=("_ts_ms", "_timestamp_ms"),
        bits=(64,),
    ),
    Rule(
        RECENT, unit=1, names=frozenset(("time", "time_ns")), bits=(64,)
    ),  # a duration is called so, too
    Rule(RECENT, unit=_MICROSECOND, names=frozenset(("time_us",)), bits=(64,)),
    Rule(RECENT, unit=_MILLISECOND, names=frozenset(("time_ms",)), bits=(64,)),
    Rule(DURATION, unit=1, endings=("_ns", "_nsec", "_nsecs", "_nanos"), bits=(64,)),
    Rule(DURATION, unit=_MICROSECOND, endings=("_us", "_usec", "_usecs", "_micros")),
    Rule(DURATION, unit=_MILLISECOND, endings=("_ms", "_msec", "_msecs", "_millis")),
    Rule(
        "errno", numbers.errno, typedefs=frozenset(("gadget_errno",)), names=frozenset(("errno",))
    ),
    Rule(
        "result",
        text=numbers.result,
        names=frozenset(("ret", "retval", "rc", "err", "error", "res", "result")),
        endings=("_ret", "_retval", "_err", "_errno"),
        signed=True,
    ),
    Rule(
        "open flags",
        text=numbers.open_flags,
        typedefs=frozenset(("gadget_file_flags",)),
        names=frozenset(("open_flags", "oflags", "o_flags")),
    ),
    Rule("open flags", text=numbers.open_flags, names=frozenset(("flags",)), beside=_FILE),
    Rule(
        "file mode",
        text=numbers.mode,
        typedefs=frozenset(("umode_t", "mode_t", "gadget_file_mode")),
        names=frozenset(("file_mode", "i_mode", "st_mode", "umask")),
        bits=(16, 32),
    ),
    Rule("file mode", text=numbers.mode, names=frozenset(("mode",)), bits=(16, 32), beside=_FILE),
    Rule(
        "signal",
        text=numbers.signal,
        typedefs=frozenset(("gadget_signal",)),
        names=frozenset(("sig", "signal", "signo", "signum", "exit_signal")),
        bits=(8, 16, 32),
    ),
    Rule(
        "capability", numbers.capability, names=frozenset(("cap", "capability")), bits=(8, 16, 32)
    ),
    Rule(
        "address family",
        text=numbers.family,
        typedefs=frozenset(("sa_family_t",)),
        names=frozenset(
            ("family", "af", "sa_family", "address_family", "addr_family", "skc_family")
        ),
        bits=(8, 16, 32),
    ),
    Rule(
        "protocol",
        text=numbers.protocol,
        names=frozenset(
            ("proto", "protocol", "ip_proto", "ipproto", "l4_proto", "l4proto", "ip_protocol")
        ),
        bits=(8, 16, 32),
    ),
    Rule(
        "tcp state",
        text=numbers.tcp_state,
        names=frozenset(("tcp_state", "skc_state")),
        bits=(8, 32),
    ),
    Rule(
        "tcp state",
        text=numbers.tcp_state,
        names=frozenset(("oldstate", "newstate", "old_state", "new_state")),
        bits=(8, 32),
        beside=_ADDRESS,
    ),
    Rule(
        "user",
        machine="user",
        typedefs=frozenset(("uid_t", "kuid_t", "gadget_uid")),
        names=frozenset(("uid", "euid", "suid", "fsuid", "ruid", "loginuid", "old_uid", "new_uid")),
        bits=(32,),
    ),
    Rule(
        "group",
        machine="group",
        typedefs=frozenset(("gid_t", "kgid_t", "gadget_gid")),
        names=frozenset(("gid", "egid", "sgid", "fsgid", "rgid", "old_gid", "new_gid")),
        bits=(32,),
    ),
    Rule("cgroup", machine="cgroup", names=CGROUPS, bits=(64,)),
    Rule(
        "system call",
        machine="syscall",
        typedefs=frozenset(("gadget_syscall",)),
        names=frozenset(
            ("syscall", "syscall_nr", "syscall_id", "sysno", "sys_nr", "nr_syscall", "scno")
        ),
    ),
    Rule(
        "device",
        numbers.device,
        machine="device",
        both=True,
        typedefs=frozenset(("dev_t", "gadget_dev_t")),
        names=frozenset(("dev", "rdev", "s_dev", "bdev", "i_rdev")),
        bits=(32,),
    ),
    Rule(
        "kernel symbol",
        hex,
        machine="symbol",
        names=frozenset(
            ("ksym", "kaddr", "kip", "caller_ip", "func_ip", "call_site", "location", "kfunc")
        ),
        bits=(64,),
    ),
    Rule(
        "kernel stack",
        numbers.result,
        machine="kernel_stack",
        typedefs=frozenset(("gadget_kernel_stack",)),
        names=KERNEL_STACK_IDS,
    ),
    Rule("user stack", numbers.result, machine="user_stack", names=USER_STACK_IDS),
    Rule(
        "capabilities",
        numbers.capabilities,
        names=frozenset(
            f"cap_{kind}" for kind in ("effective", "permitted", "inheritable", "ambient", "bset")
        ),
        bits=(64,),
    ),
    Rule(
        "port",
        numbers.port,
        typedefs=frozenset(("__be16", "be16")),
        names=frozenset(("port_be", "dport_be", "sport_be")),
        bits=(16,),
    ),
    Rule(
        "IPv4 address",
        numbers.ipv4,
        typedefs=frozenset(("in_addr_t",)),
        names=_addresses("", "_v4", "4", "_ipv4"),
        endings=("_ipv4", "_ip4"),
        bits=(32,),
    ),
    Rule(
        "IPv6 address",
        numbers.ipv6,
        names=_addresses("", "_v6", "6", "_ipv6"),
        endings=("_ipv6", "_ip6"),
        bits=(128,),
        hex=True,
    ),
    Rule(
        "MAC address",
        numbers.mac,
        names=frozenset(
            ("mac", "smac", "dmac", "mac_addr", "mac_address", "h_source", "h_dest", "hwaddr")
        ),
        endings=("_mac", "_mac_addr", "_hwaddr", "_lladdr"),
        bits=(48,),
        hex=True,
    ),
)
