"""Find out why the kernel may have refused: capabilities, lockdown, sysctls, seccomp, limits."""

import re
from collections.abc import Collection
from errno import EACCES, EPERM
from pathlib import Path
from typing import Final

from beepy import capability, uapi
from beepy.errors import KernelError
from beepy.features import Feature
from beepy.kernel import features
from beepy.sys import token

_BITS: Final = uapi.CAPABILITIES
_STATUS: Final = Path("/proc/self/status")
_LAST: Final = Path("/proc/sys/kernel/cap_last_cap")
_LOCKDOWN: Final = Path("/sys/kernel/security/lockdown")
_UID_MAP: Final = Path("/proc/self/uid_map")
_SYSCTL: Final = Path("/proc/sys/kernel")
_FILTERED: Final = 2  # SECCOMP_MODE_FILTER


def capabilities() -> set[str]:
    """Return the effective capabilities of this process, of those that BPF may need."""
    bits = int(_status("CapEff") or "0", 16)
    return {name for name, bit in _BITS.items() if bits >> bit & 1}


def lacking(needed: Collection[str]) -> list[str]:
    """Return the ``needed`` capabilities that this process lacks, as this kernel names them.

    A capability is not lacking if the process has one that includes it
    (``capability.included_in``). Kernels before v5.8 have CAP_SYS_ADMIN instead of CAP_BPF and
    CAP_PERFMON.
    """
    held = capabilities()
    missing = {name for name in needed if not held & {name, capability.included_in(name)}}
    if (_number(_LAST) or 0) < _BITS["CAP_BPF"]:
        missing = {
            "CAP_SYS_ADMIN" if name in {"CAP_BPF", "CAP_PERFMON"} else name for name in missing
        }
    return sorted(missing)


def with_capability(error: KernelError, needed: str) -> KernelError:
    """Return ``error``, with "needs CAP_..." in its message if that capability is lacking.

    An error that is neither EPERM nor EACCES is returned unchanged.
    """
    if error.errno not in (EPERM, EACCES) or not lacking({needed}):
        return error
    return KernelError(f"{error}: needs {needed}", error.errno)


def lockdown() -> str:
    """Return the kernel's lockdown mode: "integrity", "confidentiality", or "" for none."""
    match = re.search(r"\[(\w+)\]", _text(_LOCKDOWN))
    return match[1] if match and match[1] != "none" else ""


def perf_event_paranoid() -> int | None:
    """Return kernel.perf_event_paranoid; above -1, tracepoints need CAP_PERFMON."""
    return _number(_SYSCTL / "perf_event_paranoid")


def why_refused(needed: Collection[str], *, perf: bool = False) -> str:
    """Return why the kernel may have answered EPERM or EACCES, "" if nothing explains it.

    ``needed`` are the capabilities that the refused call needs. ``perf`` is true if it was to open
    a perf event.
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
    elif in_user_namespace():
        by_token = not perf and token.of_process()
        reasons.append(
            "the BPF token does not delegate it"
            if by_token
            else "capabilities within a user namespace do not count"
        )
    if level := lockdown():
        reasons.append(f"the kernel is locked down ({level})")
    if not reasons and _status("Seccomp") == str(_FILTERED):
        reasons.append("a seccomp filter is active, as in containers")
    if not reasons and not features.has(Feature.MEMCG_ACCOUNT):
        reasons.append(f"RLIMIT_MEMLOCK is {_memlock()}")
    return "; ".join(reasons)


def in_user_namespace() -> bool:
    """Return whether this process is in another user namespace than the first."""
    return _text(_UID_MAP).split() not in (["0", "0", "4294967295"], [])


def _memlock() -> str:
    import resource  # noqa: PLC0415 - only on Unix

    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return "unlimited" if soft == resource.RLIM_INFINITY else f"{soft >> 10} KiB"


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _status(name: str) -> str:
    match = re.search(rf"^{name}:\s*(\S+)$", _text(_STATUS), re.MULTILINE)
    return match[1] if match else ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
