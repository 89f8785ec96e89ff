"""Explain refusals with files of /proc and /sys, written by the tests."""

from pathlib import Path

import pytest

from beepy.features import Feature
from beepy.kernel import features, privilege
from tests.support.lacking import lack

ROOT = (1 << 41) - 1


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the files of a process with all capabilities on a kernel without restrictions."""
    (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t{ROOT:016x}\nSeccomp:\t0\n")
    (tmp_path / "cap_last_cap").write_text("40\n")
    (tmp_path / "uid_map").write_text("         0          0 4294967295\n")
    (tmp_path / "lockdown").write_text("[none] integrity confidentiality\n")
    (tmp_path / "unprivileged_bpf_disabled").write_text("0\n")
    (tmp_path / "perf_event_paranoid").write_text("-1\n")
    for name, file in (("_STATUS", "status"), ("_LAST", "cap_last_cap"), ("_UID_MAP", "uid_map")):
        monkeypatch.setattr(privilege, name, tmp_path / file)
    monkeypatch.setattr(privilege, "_LOCKDOWN", tmp_path / "lockdown")
    monkeypatch.setattr(privilege, "_SYSCTL", tmp_path)
    monkeypatch.setattr(features, "has", lambda _: True)
    return tmp_path


def hold(machine: Path, *names: str, seccomp: int = 0) -> None:
    bits = sum(1 << privilege._BITS[name] for name in names)
    (machine / "status").write_text(f"CapEff:\t{bits:016x}\nSeccomp:\t{seccomp}\n")


NEEDED = {"CAP_BPF", "CAP_PERFMON"}


def test_nothing_explains_a_refusal_to_root(machine: Path) -> None:
    assert machine
    assert privilege.lacking(NEEDED) == []
    assert privilege.why_refused(NEEDED) == ""


def test_missing_capabilities_are_named(machine: Path) -> None:
    hold(machine, "CAP_BPF")
    assert (
        privilege.why_refused(NEEDED)
        == "needs CAP_BPF and CAP_PERFMON, this process lacks CAP_PERFMON"
    )
    hold(machine)
    (machine / "unprivileged_bpf_disabled").write_text("2\n")
    assert privilege.why_refused({*NEEDED, "CAP_NET_ADMIN"}) == (
        "needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, "
        "this process lacks CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; "
        "kernel.unprivileged_bpf_disabled is 2"
    )


def test_cap_sys_admin_is_enough(machine: Path) -> None:
    hold(machine, "CAP_SYS_ADMIN")
    assert privilege.lacking({*NEEDED, "CAP_NET_ADMIN"}) == []


def test_before_v5_8_only_cap_sys_admin_exists(machine: Path) -> None:
    (machine / "cap_last_cap").write_text("37\n")
    hold(machine, "CAP_NET_ADMIN")
    assert privilege.lacking({*NEEDED, "CAP_NET_ADMIN"}) == ["CAP_SYS_ADMIN"]


def test_perf_event_paranoid_matters_for_perf_events_only(machine: Path) -> None:
    hold(machine, "CAP_BPF")
    (machine / "perf_event_paranoid").write_text("3\n")
    assert "kernel.perf_event_paranoid is 3" in privilege.why_refused(NEEDED, perf=True)
    assert "paranoid" not in privilege.why_refused(NEEDED)


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        (
            "lockdown",
            "none integrity [confidentiality]\n",
            "the kernel is locked down (confidentiality)",
        ),
        ("uid_map", "0 100000 65536\n", "capabilities within a user namespace do not count"),
        (
            "status",
            f"CapEff:\t{ROOT:x}\nSeccomp:\t2\n",
            "a seccomp filter is active, as in containers",
        ),
    ],
)
def test_restrictions_that_apply_to_root(machine: Path, file: str, text: str, why: str) -> None:
    (machine / file).write_text(text)
    assert privilege.why_refused(NEEDED) == why


def test_memlock_is_named_if_nothing_else_explains_the_refusal(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine
    lack(monkeypatch, Feature.MEMCG_ACCOUNT)
    assert privilege.why_refused(NEEDED).startswith("RLIMIT_MEMLOCK is ")


def test_missing_files_explain_nothing(machine: Path) -> None:
    for path in machine.iterdir():
        path.unlink()
    assert privilege.capabilities() == set()
    assert privilege.lockdown() == ""
    assert privilege.perf_event_paranoid() is None
    assert privilege.why_refused({"CAP_BPF"}) == "needs CAP_BPF, this process lacks CAP_SYS_ADMIN"
