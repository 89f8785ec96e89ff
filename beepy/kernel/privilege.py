"""What this process is allowed to do, and what may forbid it: for messages once the kernel has refused."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from beepy.kernel import features

_BITS: Final = {  # include/uapi/linux/capability.h
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYSLOG": 34,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
_STATUS: Final = Path("/proc/self/status")
_LAST: Final = Path("/proc/sys/kernel/cap_last_cap")
_LOCKDOWN: Final = Path("/sys/kernel/security/lockdown")
_UID_MAP: Final = Path("/proc/self/uid_map")
_SYSCTL: Final = Path("/proc/sys/kernel")
_FILTERED: Final = 2  # SECCOMP_MODE_FILTER


def capabilities() -> set[str]:
    """Return which of the capabilities that matter here are effective."""
    bits = int(_status("CapEff") or "0", 16)
    return {name for name, bit in _BITS.items() if bits >> bit & 1}


def lacking(needed: Collection[str]) -> list[str]:
    """Return which of the ``needed`` capabilities this process lacks, in the words of this kernel.

    CAP_SYS_ADMIN counts for all that it was split into; a kernel before 5.8 knows no other.
    """
    held = capabilities()
    if "CAP_SYS_ADMIN" in held:
        return []
    if (_number(_LAST) or 0) < _BITS["CAP_BPF"]:
        needed = {name if name == "CAP_NET_ADMIN" else "CAP_SYS_ADMIN" for name in needed}
    return sorted(set(needed) - held)


def lockdown() -> str:
    """Return how far the kernel is locked down: "integrity", "confidentiality", or "" if it is not."""
    found = re.search(r"\[(\w+)\]", _text(_LOCKDOWN))
    return found[1] if found and found[1] != "none" else ""


def perf_event_paranoid() -> int | None:
    """Return kernel.perf_event_paranoid; above -1 it keeps tracepoints from who lacks CAP_PERFMON."""
    return _number(_SYSCTL / "perf_event_paranoid")


def why_refused(needed: Collection[str], *, perf: bool = False) -> str:
    """Return why the kernel may have answered EPERM or EACCES, "" if nothing here explains it.

    ``needed`` are the capabilities for what was asked; ``perf``: it was to open a perf event.
    """
    reasons = []
    if missing := lacking(needed):
        reasons.append(f"needs {_listed(sorted(needed))}, this process lacks {_listed(missing)}")
        disabled = _number(_SYSCTL / "unprivileged_bpf_disabled")
        if disabled and {"CAP_BPF", "CAP_SYS_ADMIN"} & set(missing):
            reasons.append(f"kernel.unprivileged_bpf_disabled is {disabled}")
        paranoid = perf_event_paranoid()
        if perf and paranoid is not None and paranoid > -1:
            reasons.append(f"kernel.perf_event_paranoid is {paranoid}")
    elif _in_user_namespace():
        reasons.append("capabilities within a user namespace do not count")
    if level := lockdown():
        reasons.append(f"the kernel is locked down ({level})")
    if not reasons and _status("Seccomp") == str(_FILTERED):
        reasons.append("a seccomp filter is active, as in containers")
    if not reasons and features.charges_memlock():
        reasons.append(f"RLIMIT_MEMLOCK is {_memlock()}")
    return "; ".join(reasons)


def _in_user_namespace() -> bool:
    return _text(_UID_MAP).split() not in (["0", "0", "4294967295"], [])


def _memlock() -> str:
    import resource  # noqa: PLC0415 - only on Unix

    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return "unlimited" if soft == resource.RLIM_INFINITY else f"{soft >> 10} KiB"


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _status(name: str) -> str:
    found = re.search(rf"^{name}:\s*(\S+)$", _text(_STATUS), re.MULTILINE)
    return found[1] if found else ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
