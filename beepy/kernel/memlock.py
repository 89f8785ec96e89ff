"""RLIMIT_MEMLOCK, which limits the memory of maps and programs on old kernels."""

from functools import cache


@cache
def raise_limit() -> bool:
    """Raise RLIMIT_MEMLOCK as far as permitted, if this kernel uses it; return whether it grew."""
    import resource  # noqa: PLC0415 - only on Unix

    from beepy.features import Feature  # noqa: PLC0415 - features imports samples, which raises the limit too
    from beepy.kernel import features  # noqa: PLC0415 - as above

    if features.has(Feature.MEMCG_ACCOUNT):
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    # without CAP_SYS_RESOURCE only the soft limit can be raised, up to the hard one
    for limits in ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
        except (OSError, ValueError):
            continue
        return limits[0] != soft
    return False
