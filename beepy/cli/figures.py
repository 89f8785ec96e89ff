"""Format times, shares and rates with two or three digits."""


def time_text(ns: float) -> str:
    """Format a time in ns with three digits: ``1.23us``."""
    for unit in ("ns", "us", "ms"):
        if ns < 999.5:
            return f"{ns:.3g}{unit}"
        ns /= 1000
    return f"{ns:.3g}s"


def share_text(share: float) -> str:
    """Format a share of a CPU in percent: ``0.27%``."""
    percent = share * 100
    if 0 < percent < 0.001:
        return "<0.001%"
    return f"{percent:.2g}%" if percent < 9.95 else f"{percent:.0f}%"


def rate_text(rate: float) -> str:
    """Format a number of runs per second."""
    return f"{rate:.2g}" if rate < 9.95 else f"{rate:.0f}"
