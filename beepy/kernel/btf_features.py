"""Which types this kernel takes, found out by trying; each answer is kept."""

from functools import cache

from beepy import uapi
from beepy.btf.downgrade import Feature, sample
from beepy.errors import KernelError
from beepy.kernel import syscall


@cache
def takes(feature: Feature) -> bool:
    """Tell whether the kernel takes types that make use of ``feature``."""
    data = sample(feature)
    attr = uapi.BtfLoad(btf=syscall.address(data), btf_size=len(data))
    try:
        syscall.btf_load(attr, f"probe of {feature.text}").close()
    except KernelError:
        return False
    return True
