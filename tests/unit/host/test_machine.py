from pathlib import Path

import pytest

from beepy.errors import KernelError
from beepy.host import machine
from beepy.host.machine import parse_cpus, parse_release, version_code


@pytest.mark.parametrize(
    ("listed", "cpus"),
    [("0\n", (0,)), ("0-3\n", (0, 1, 2, 3)), ("0-1,8,10-11\n", (0, 1, 8, 10, 11))],
)
def test_lists_of_cpus(listed: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpus(listed) == cpus


@pytest.mark.parametrize("listed", ["", "none", "-"])
def test_a_malformed_list_is_an_error(listed: str) -> None:
    with pytest.raises(KernelError, match=r"CPUs: '.*': expected a list such as 0-3"):
        parse_cpus(listed)


@pytest.mark.parametrize(
    ("release", "version", "signature", "expected"),
    [
        ("6.18.44", "#1 SMP PREEMPT_DYNAMIC", "", (6, 18, 44)),
        ("5.10.0-28-amd64", "#1 SMP Debian 5.10.209-2 (2024-01-31)", "", (5, 10, 209)),
        (
            "5.15.0-91-generic",
            "#101-Ubuntu SMP",
            "Ubuntu 5.15.0-91.101-generic 5.15.131\n",
            (5, 15, 131),
        ),
        ("4.19.325-cip", "", "unreadable", (4, 19, 325)),
    ],
)
def test_parse_release(
    release: str, version: str, signature: str, expected: tuple[int, int, int]
) -> None:
    assert parse_release(release, version, signature) == expected


def test_a_release_without_numbers_is_an_error() -> None:
    with pytest.raises(KernelError, match=r"kernel release: '\\x1b\[2J': expected three numbers"):
        parse_release("\x1b[2J")


def test_patch_levels_above_255_count_as_255() -> None:
    assert version_code((6, 1, 192)) == 0x0601C0
    assert version_code((4, 19, 325)) == 0x0413FF


def test_an_unreadable_list_of_cpus_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_CPUS", tmp_path)
    with pytest.raises(KernelError, match=r"^.*/online: no such file or directory \(ENOENT\)$"):
        machine.online_cpus()
