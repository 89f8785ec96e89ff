"""TABLE: name -> decoder of ebpf_exporter's labels: bytes of a key become the text of a label.

Decoders are applied in turn, each to the bytes that the one before it made::

    06 00   --uint-->   "6"   --static_map-->   "tcp"

They make the texts that ebpf_exporter makes, byte for byte. Those that only this machine knows
(names of cgroups, symbols, devices) are looked up by ``MachineNames``.
"""

from collections.abc import Callable, Mapping, Sequence
from errno import errorcode
from typing import Final, NamedTuple, TypeAlias

from beepy import syscall_names
from beepy.errors import DecodeError
from beepy.obj.exporter import Label, Step

_U64: Final = 1 << 64
_S64: Final = 1 << 63
_ADDRESS: Final = 8  # bytes
_NO_PCI: Final = "missing pci.ids db"
_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"
# errnos of two names, or of none in Python: the one that ebpf_exporter has
_ERRNO_NAMES: Final = {
    11: "EAGAIN",
    35: "EDEADLK",
    95: "ENOTSUP",
    117: "EFSCORRUPTED",
    133: "EHWPOISON",
}
# the names that ebpf_exporter has from strace, where they are not the kernel's
_TIME64: Final = (
    "poll nanosleep rt_sigtimedwait sched_rr_get_interval futex io_getevents semtimedop "
    "clock_getres clock_nanosleep mq_timedsend mq_timedreceive pselect6 ppoll utimensat recvmmsg "
    "io_pgetevents"
)
_64: Final = (
    "sendfile adjtimex timer_settime timer_gettime clock_settime clock_gettime timerfd_settime "
    "timerfd_gettime clock_adjtime"
)
_SYSCALL_NAMES: Final[Mapping[str, str]] = {
    **{name: f"{name}_time64" for name in _TIME64.split()},
    **{name: f"{name}64" for name in _64.split()},
    "pread64": "pread",
    "pwrite64": "pwrite",
    "lchown": "chown",
    "pivot_root": "pivotroot",
    "_sysctl": "sysctl",
    "lsetxattr": "setxattr",
    "lgetxattr": "getxattr",
    "llistxattr": "listxattr",
    "lremovexattr": "removexattr",
    "epoll_ctl_old": "printargs",
    "epoll_wait_old": "printargs",
    "exit_group": "exit",
}


class PciNames(NamedTuple):
    """The names in pci.ids, by hexadecimal ids.

    ``devices`` are by vendor and device together, ``subclasses`` by class and subclass.
    """

    vendors: Mapping[str, str]
    devices: Mapping[str, str]
    classes: Mapping[str, str]
    subclasses: Mapping[str, str]


class MachineNames(NamedTuple):
    """What only this machine knows; each function returns "" for what it does not know.

    ``cgroup`` is the path of a cgroup's id, ``symbol`` the name of the symbol at exactly an
    address, ``function`` that of the last symbol up to it. ``interface`` takes an index,
    ``device`` the major and minor number of a block device. ``pci`` returns None without pci.ids.
    ``machine`` is uname's.
    """

    cgroup: Callable[[int], str]
    symbol: Callable[[int], str]
    function: Callable[[int], str]
    interface: Callable[[int], str]
    device: Callable[[int, int], str]
    pci: Callable[[], PciNames | None]
    machine: str


Decode: TypeAlias = Callable[[bytes], bytes | None]
"""Make the next bytes, None if the row is to be left out. Raises DecodeError."""


class LabelDecoder(NamedTuple):
    """A decoder: ``make`` compiles a step of a label.

    ``sizes`` are the bytes that it can be the first decoder of (empty: any).
    """

    make: Callable[[Step, MachineNames], Decode]
    sizes: frozenset[int] = frozenset()


def compiled(label: Label, names: MachineNames) -> Callable[[bytes], str | None]:
    """Return the function that makes a label's text of its bytes, None to leave out the row.

    Bytes that are not UTF-8 are as surrogateescape has them. The function raises DecodeError.
    """
    decodes = [TABLE[step.name].make(step, names) for step in label.steps]

    def decode(raw: bytes) -> str | None:
        for function in decodes:
            decoded = function(raw)
            if decoded is None:
                return None
            raw = decoded
        return raw.decode("utf-8", "surrogateescape")

    return decode


def _simple(function: Callable[[bytes], bytes]) -> Callable[[Step, MachineNames], Decode]:
    return lambda _step, _names: function


def _named(
    function: Callable[[MachineNames, bytes], str],
) -> Callable[[Step, MachineNames], Decode]:
    return lambda _step, names: lambda raw: function(names, raw).encode("utf-8", "surrogateescape")


def _uint(raw: bytes) -> bytes:
    if len(raw) not in {1, 2, 4, 8}:
        raise DecodeError(f"uint: {len(raw)} bytes, expected 1, 2, 4 or 8")
    return b"%d" % int.from_bytes(raw, "little")


def _hex(raw: bytes) -> bytes:
    return raw.hex().encode()


def _string(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _dname(raw: bytes) -> bytes:
    r"""Return the dotted form of a DNS name: ``\3www\2at\0`` is ``www.at.``.

    It is unchanged if a length leads beyond its end.
    """
    if not raw:
        return b"."
    dotted, at = bytearray(), 0
    while at < len(raw):
        end = at + 1 + raw[at]
        if end > len(raw):
            return raw
        dotted += b"." + raw[at + 1 : end]
        at = end
    return bytes(dotted[1:])


def _inet_ip(raw: bytes) -> bytes:
    if len(raw) == 16 and raw.startswith(_IPV4_MAPPED):
        raw = raw[12:]
    if len(raw) == 4:
        return b"%d.%d.%d.%d" % (*raw,)
    if len(raw) == 16:
        from ipaddress import IPv6Address  # noqa: PLC0415 - few labels are addresses

        return IPv6Address(raw).compressed.encode()
    return b"?" + raw.hex().encode() if raw else b"<nil>"


def _errno(raw: bytes) -> bytes:
    number = _number("errno", raw, 0, _U64)
    name = _ERRNO_NAMES.get(number) or errorcode.get(number)
    return name.encode() if name else b"unknown:%d" % number


def _static_map(step: Step, _names: MachineNames) -> Decode:
    if step.static_map is None:
        return lambda _raw: b"empty mapping"
    texts = {_encoded(key): _encoded(text) for key, text in step.static_map}
    if step.allow_unknown:
        return lambda raw: texts.get(raw, raw)
    return lambda raw: texts.get(raw, b"unknown:" + raw)


def _regexp(step: Step, _names: MachineNames) -> Decode:
    from beepy.events.regex import capturer  # noqa: PLC0415 - few labels have one

    captures = [capturer(regex) for regex in step.regexps or ()]

    def decode(raw: bytes) -> bytes | None:
        for capture in captures:
            captured = capture(raw)
            if captured is not None:
                return captured
        return None

    return decode


def _cgroup(names: MachineNames, raw: bytes) -> str:
    number = _signed("cgroup", raw)
    return names.cgroup(number) or f"unknown_cgroup_id:{number}"


def _ksym(names: MachineNames, raw: bytes) -> str:
    address = _integer("ksym", raw, _ADDRESS)
    return names.symbol(address) or f"unknown_addr:0x{address:x}"


def _kstack(names: MachineNames, raw: bytes) -> str:
    """Return the functions of a stack, one a line, up to the first address of 0."""
    frames = []
    for at in range(0, len(raw), _ADDRESS):
        address = _integer("kstack", raw[at : at + _ADDRESS], _ADDRESS)
        if not address:
            break
        frames.append(names.function(address) or "??")
    return "\n".join(frames)


def _ifname(names: MachineNames, raw: bytes) -> str:
    index = _integer("ifname", raw, 4)
    return names.interface(index) or f"unknown:{index}"


def _majorminor(names: MachineNames, raw: bytes) -> str:
    """Return the name of a block device, by a number as the kernel's ``new_encode_dev`` makes it.

    ::

        bits    minor, its upper 12 | major, 12 | minor, its lower 8
    """
    device = _integer("majorminor", raw, 4)
    major, minor = device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00
    return names.device(major, minor) or f"unknown:{major}:{minor}"


def _syscall(names: MachineNames, raw: bytes) -> str:
    number = _signed("syscall", raw)
    name = syscall_names.of(names.machine).get(number)
    if name is None:
        return f"unknown_syscall:{number % _U64}"
    return _SYSCALL_NAMES.get(name, name)


# The ids are written as ebpf_exporter looks them up: those of vendors that begin with a zero, and
# their devices, are not found.


def _pci_vendor(names: MachineNames, raw: bytes) -> str:
    return _pci(names, lambda pci: pci.vendors, "vendor", f"{_signed('pci_vendor', raw):02x}")


def _pci_device(names: MachineNames, raw: bytes) -> str:
    return _pci(names, lambda pci: pci.devices, "device", f"{_signed('pci_device', raw):04x}")


def _pci_class(names: MachineNames, raw: bytes) -> str:
    return _pci(names, lambda pci: pci.classes, "class", f"{_signed('pci_class', raw):02x}")


def _pci_subclass(names: MachineNames, raw: bytes) -> str:
    pci = names.pci()
    if pci is None:
        return _NO_PCI
    number = _signed("pci_subclass", raw)
    class_id, subclass_id = f"{number >> 8:02x}", f"{number & 0xFF:02x}"
    if class_id not in pci.classes:
        return f"unknown pci class: 0x{class_id}"
    name = pci.subclasses.get(class_id + subclass_id)
    return name or f"unknown pci subclass: 0x{subclass_id} (class 0x{class_id})"


def _pci(
    names: MachineNames, table: Callable[[PciNames], Mapping[str, str]], kind: str, key: str
) -> str:
    pci = names.pci()
    if pci is None:
        return _NO_PCI
    return table(pci).get(key) or f"unknown pci {kind}: 0x{key}"


def _integer(decoder: str, raw: bytes, size: int) -> int:
    """Return the integer in the first ``size`` bytes."""
    if len(raw) < size:
        raise DecodeError(f"{decoder}: {len(raw)} bytes, expected {size}")
    return int.from_bytes(raw[:size], "little")


def _signed(decoder: str, raw: bytes) -> int:
    return _number(decoder, raw, -_S64, _S64)


def _number(decoder: str, raw: bytes, least: int, end: int) -> int:
    """Return the number that a decoder before made a text of."""
    digits = raw[1:] if raw[:1] in {b"-", b"+"} and least else raw
    if not digits.isdigit() or not least <= int(raw) < end:
        raise DecodeError(f"{decoder}: a number is expected: decode with uint before it")
    return int(raw)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def expected_sizes(steps: Sequence[Step]) -> frozenset[int]:
    """Return the sizes that a label with these decoders may have, none if any size is right."""
    return TABLE[steps[0].name].sizes


TABLE: Final[Mapping[str, LabelDecoder]] = {
    "cgroup": LabelDecoder(_named(_cgroup)),
    "dname": LabelDecoder(_simple(_dname)),
    "errno": LabelDecoder(_simple(_errno)),
    "hex": LabelDecoder(_simple(_hex)),
    "ifname": LabelDecoder(_named(_ifname), frozenset((4, 8))),
    "inet_ip": LabelDecoder(_simple(_inet_ip)),
    "kstack": LabelDecoder(_named(_kstack), frozenset(range(_ADDRESS, 128 * _ADDRESS, _ADDRESS))),
    "ksym": LabelDecoder(_named(_ksym), frozenset((_ADDRESS,))),
    "majorminor": LabelDecoder(_named(_majorminor), frozenset((4, 8))),
    "pci_class": LabelDecoder(_named(_pci_class)),
    "pci_device": LabelDecoder(_named(_pci_device)),
    "pci_subclass": LabelDecoder(_named(_pci_subclass)),
    "pci_vendor": LabelDecoder(_named(_pci_vendor)),
    "regexp": LabelDecoder(_regexp),
    "static_map": LabelDecoder(_static_map),
    "string": LabelDecoder(_simple(_string)),
    "syscall": LabelDecoder(_named(_syscall)),
    "uint": LabelDecoder(_simple(_uint), frozenset((1, 2, 4, 8))),
}
