"""Tiers: a test's directory says what it needs.

A test that cannot run on this machine is skipped, and its reason is shown at the end.

A tier of which no test ran fails a run with ``CI=true``: CI's machine can run them all.
"""

import ctypes
import os
import platform
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import soak

TESTS = Path(__file__).parent

_BPF = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE, _MAP_TYPE_ARRAY = 0, 2


def _nothing() -> str:
    return ""


def _bpf() -> str:
    """Return why the kernel cannot be asked, "" if it can; not through the code that is tested."""
    if os.geteuid():
        return "needs root"
    if (number := _BPF.get(platform.machine())) is None:
        return f"no number of bpf(2) is known here for {platform.machine()}"
    attributes = (ctypes.c_uint32 * 18)(_MAP_TYPE_ARRAY, 4, 4, 1)  # type, key, value, entries
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(
        ctypes.c_long(number),
        ctypes.c_int(_MAP_CREATE),
        ctypes.byref(attributes),
        len(attributes) * 4,
    )
    if fd < 0:
        return f"bpf() does not work here: {os.strerror(ctypes.get_errno())}"
    os.close(fd)
    return ""


def _vm() -> str:
    return _programs("qemu-system-x86_64", "busybox", "lz4", "zstd", "apt-get")


def _programs(*names: str) -> str:
    missing = [name for name in names if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


# In the order in which they run. What only some tests of a tier need, they ask for themselves
# (registry: most of them bring their own servers along).
TIERS: dict[str, Callable[[], str]] = {
    "unit": _nothing,
    "fuzz": _nothing,
    "registry": _nothing,
    "kernel": _bpf,
    "oracle": _bpf,
    "vm": _vm,
}


class Tally:
    """What became of the tests of each tier."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter[str]] = {}
        self.skipped: Counter[tuple[str, str]] = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        if absent := [item for item in items if _lacks_its_peer(item)]:
            config.hook.pytest_deselected(items=absent)
            items[:] = [item for item in items if item not in absent]
        items.sort(key=lambda item: list(TIERS).index(_tier(item)))
        missing: dict[str, str] = {}
        for item in items:
            tier = _tier(item)
            item.add_marker(tier)
            if item.get_closest_marker("soak") and not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(soak.times(int(config.getini("timeout")))))
            if tier not in missing:
                missing[tier] = TIERS[tier]()
            if missing[tier]:
                item.add_marker(pytest.mark.skip(reason=missing[tier]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tier = next(name for name in TIERS if name in report.keywords)
        outcomes = self.outcomes.setdefault(tier, Counter())
        if report.skipped and not hasattr(report, "wasxfail"):
            outcomes["skipped"] += 1
            self.skipped[tier, _reason(report)] += 1
        elif report.failed:
            outcomes["failed"] += 1
        elif report.when == "call":
            outcomes["passed"] += 1

    def silent(self) -> list[str]:
        """Return the tiers of which nothing ran, all tests being skipped."""
        return [
            tier
            for tier in TIERS
            if tier in self.outcomes and set(self.outcomes[tier]) == {"skipped"}
        ]

    def lines(self) -> Iterator[str]:
        for tier in TIERS:
            counts = self.outcomes.get(tier, Counter())
            told = ", ".join(
                f"{counts[name]} {name}"
                for name in ("passed", "failed", "skipped")
                if name in counts
            )
            yield f"{tier:10}{told or 'no tests'}"
        for (tier, reason), count in sorted(self.skipped.items()):
            yield f"skipped: {tier}, {count} {'test' if count == 1 else 'tests'}: {reason}"


def _tier(item: pytest.Item) -> str:
    tier = item.path.relative_to(TESTS).parts[0]
    if tier not in TIERS:
        raise pytest.UsageError(
            f"{item.nodeid}: not in the directory of a tier: {', '.join(TIERS)}"
        )
    return tier


def _lacks_its_peer(item: pytest.Item) -> bool:
    """Whether the program that it compares with is missing.

    Such a test is not collected, rather than skipped: no package of apt has the program.
    """
    peer = item.get_closest_marker("peer")
    return peer is not None and not shutil.which(peer.args[0])


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


_TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts its background jobs with SIGINT ignored.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_TALLY] = tally = Tally()
    config.pluginmanager.register(tally)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if (
        exitstatus == pytest.ExitCode.OK
        and os.environ.get("CI") == "true"
        and session.config.stash[_TALLY].silent()
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tally = config.stash[_TALLY]
    if not tally.outcomes:
        return
    terminalreporter.section("tiers")
    for line in tally.lines():
        terminalreporter.line(line)
    if os.environ.get("CI") == "true":
        for tier in tally.silent():
            terminalreporter.line(
                f"error: {tier}: no test ran, but a machine of CI can run this tier", red=True
            )
