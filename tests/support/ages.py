"""Compare the releases in beepy.since with the running kernel's own lists."""

from collections.abc import Iterator

from beepy import since
from beepy.btf.types import Enum, Enum64, Kind
from beepy.host import machine
from beepy.kernel import btf
from beepy.uapi import HELPERS, AttachType, MapType, ProgType


def known(name: str) -> set[str]:
    """Return the names of one of the kernel's enums."""
    kernel = btf.vmlinux()
    found = kernel.find(name, Kind.ENUM)
    assert found, name
    built = kernel.type(found)
    assert isinstance(built, Enum | Enum64)
    return {one.name for one in built.values}


def wrong() -> Iterator[str]:
    """Yield features that this kernel has although it is older, or lacks although it is newer."""
    this = machine.release()[:2]
    tables = [
        (
            known("bpf_func_id"),
            {f"BPF_FUNC_{name}": since.helper(n) for n, name in enumerate(HELPERS) if n},
        ),
        (
            known("bpf_map_type"),
            {f"BPF_MAP_TYPE_{one.name}": since.map_type(one) for one in MapType if one},
        ),
        (
            known("bpf_prog_type"),
            {f"BPF_PROG_TYPE_{one.name}": since.prog_type(one) for one in ProgType if one},
        ),
        (
            known("bpf_attach_type"),
            {f"BPF_{one.name}": since.attach_type(one) for one in AttachType},
        ),
    ]
    for names, releases in tables:
        for name, release in releases.items():
            if (since.order(release) <= this) != (name in names):
                yield f"{name}: since {release}"
    for release, kfuncs in since._KFUNCS.items():
        # Others may be left out of a kernel, or have been renamed since.
        if since.order(release) > this:
            for name in kfuncs.split():
                # without that prefix it was there before, for the kernel alone
                if name.startswith("bpf_") and btf.vmlinux().find(name, Kind.FUNC):
                    yield f"{name}: since {release}"
