"""USDT probes of a test program: sites, arguments of every kind, semaphores, cookies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beepy.collection.load import load
from beepy.errors import AttachError, NotSupported
from beepy.features import Feature
from beepy.hooks import Target
from beepy.obj.spec import CollectionSpec
from tests.support import child, probed
from tests.support.lacking import lack
from tests.support.told import notes

pytestmark = pytest.mark.usefixtures("same_pids")


FLAGS = [("-O2",), ("-O0",), ("-O2", "-no-pie"), ("-O2", "-static")]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> CollectionSpec:
    return probed.built(tmp_path_factory.mktemp("usdt"), "usdt")


@pytest.fixture
def process(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[probed.Probed]:
    path = probed.compiled(tmp_path, *getattr(request, "param", FLAGS[0]))
    with probed.Probed(path) as running:
        yield running


def target(process: probed.Probed, name: str, *, pid: bool = False) -> Target:
    return Target(f"{process.program}:beepy:{name}", pid=process.pid if pid else None)


def hits(
    spec: CollectionSpec, process: probed.Probed, targets: dict[str, Target]
) -> list[tuple[Any, ...]]:
    """Return the rows of two passes; the semaphore counts the two sites of "hit" while attached."""
    assert process.pass_all(1) == 0
    passed = []
    with load(spec, targets=targets) as collection:
        found = probed.rows(
            collection, lambda: passed.extend([process.pass_all(5), process.pass_all(-6)])
        )
    assert process.pass_all(1) == 0
    assert passed == [2, 2]
    return [
        tuple(row[name] for name in ("pid", "count", "first", "second", "third")) for row in found
    ]


def expected(pid: int) -> list[tuple[int, ...]]:
    return [
        (pid, 3, 5, 10, -5),
        (pid, 3, -1, 5, 7),
        (pid, 0, 0, 0, 0),
        (pid, 3, -6, -12, 6),
        (pid, 3, -1, -6, 7),
        (pid, 0, 0, 0, 0),
    ]


@pytest.mark.parametrize("process", FLAGS, indirect=True)
def test_all_sites_and_their_arguments(spec: CollectionSpec, process: probed.Probed) -> None:
    targets = {"three": target(process, "hit"), "plain": target(process, "bare")}
    assert hits(spec, process, targets) == expected(process.pid)


def test_one_process_of_two(spec: CollectionSpec, process: probed.Probed) -> None:
    targets = {
        "three": target(process, "hit", pid=True),
        "plain": target(process, "bare", pid=True),
    }
    with probed.Probed(process.program) as other, load(spec, targets=targets) as collection:
        found = probed.rows(collection, lambda: (other.pass_all(1), process.pass_all(2)))
    assert [row["pid"] for row in found] == [process.pid] * 3


def test_binary_and_pid_name_the_file(spec: CollectionSpec, process: probed.Probed) -> None:
    targets = {
        "three": Target("beepy:hit", binary=str(process.program)),
        "plain": Target("beepy:bare", pid=process.pid),
    }
    assert hits(spec, process, targets) == expected(process.pid)


def test_a_program_with_the_system_s_own_header(tmp_path: Path, spec: CollectionSpec) -> None:
    if not Path("/usr/include/x86_64-linux-gnu/sys/sdt.h").exists():
        pytest.skip("not installed: systemtap-sdt-dev")
    source = tmp_path / "sdt.c"
    source.write_text(
        "#include <sys/sdt.h>\n#include <stdio.h>\n"
        "int main(void) { char line[9]; for (long i = 1; fgets(line, 9, stdin); i++) {\n"
        'DTRACE_PROBE3(ours, p, i, (short)-i, (char)(i * 2)); puts("0"); fflush(stdout); } }\n'
    )
    with probed.Probed(probed.compiled(tmp_path, "-O2", source=source)) as process:
        targets = {
            "three": Target(f"{process.program}:ours:p"),
            "plain": Target(f"{process.program}:ours:p"),
        }
        with load(spec, targets=targets) as collection:
            found = probed.rows(collection, lambda: process.pass_all(0))
    assert sorted((row["first"], row["second"], row["third"]) for row in found) == [
        (0, 0, 0),
        (1, -1, 2),
    ]


@pytest.fixture
def without_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before v5.15: by .kconfig, the program finds its arguments by address."""
    lack(monkeypatch, Feature.BPF_COOKIE)


@pytest.mark.usefixtures("without_cookies")
@pytest.mark.parametrize(
    ("process", "pid"),
    [(FLAGS[0], True), (FLAGS[2], True), (FLAGS[2], False)],
    indirect=["process"],
)
def test_without_cookies(spec: CollectionSpec, process: probed.Probed, pid: bool) -> None:
    targets = {"three": target(process, "hit", pid=pid), "plain": target(process, "bare", pid=pid)}
    assert hits(spec, process, targets) == expected(process.pid)


@pytest.mark.usefixtures("without_cookies")
def test_without_cookies_a_library_needs_a_process(
    spec: CollectionSpec, process: probed.Probed
) -> None:
    targets = {"three": target(process, "hit"), "plain": target(process, "bare")}
    with (
        load(spec, targets=targets) as collection,
        pytest.raises(NotSupported, match="no cookies") as caught,
    ):
        collection.attach()
    assert notes(caught.value) == ["--pid PID attaches it in one process"]


@pytest.mark.usefixtures("without_cookies")
def test_without_cookies_programs_share_a_probe(
    spec: CollectionSpec, process: probed.Probed
) -> None:
    targets = {"three": target(process, "hit", pid=True), "plain": target(process, "hit", pid=True)}
    with load(spec, targets=targets) as collection:
        found = probed.rows(collection, lambda: process.pass_all(5))
        assert sorted((row["count"], row["first"]) for row in found) == [
            (3, -1),
            (3, 0),
            (3, 0),
            (3, 5),
        ]
        collection.detach()
        assert collection.maps["__bpf_usdt_ip_to_spec_id"].next_key(None) is None


@pytest.mark.usefixtures("without_cookies")
def test_without_cookies_one_address_is_one_probe(
    spec: CollectionSpec, process: probed.Probed
) -> None:
    targets = {
        "three": target(process, "hit", pid=True),
        "plain": target(process, "bare", pid=True),
    }
    with load(spec, targets=targets) as collection:
        ids = collection.maps["__bpf_usdt_ip_to_spec_id"]
        collection.attach()
        key = ids.next_key(None)
        assert key
        collection.detach()
        assert ids.next_key(None) is None
        ids.update(key, (77).to_bytes(4, "little"))
        with pytest.raises(
            AttachError, match="map '__bpf_usdt_ip_to_spec_id': update: file exists"
        ):
            collection.attach()
        assert ids.lookup(key) == (77).to_bytes(4, "little")


def test_tracefs_is_used_without_the_pmu(tmp_path: Path) -> None:
    path = probed.compiled(tmp_path, "-O2")
    told = child.run(
        f"""
import logging, subprocess, sys
from pathlib import Path
from tests.kernel.hooks.test_usdt import expected, hits, target
from tests.support import probed

logging.basicConfig(level=logging.INFO, stream=sys.stdout)
subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/bus/event_source/devices"], check=True)
spec = probed.built(Path({str(tmp_path)!r}), "usdt")
with probed.Probed(Path({str(path)!r})) as process:
    targets = {{"three": target(process, "hit"), "plain": target(process, "bare")}}
    found = hits(spec, process, targets)
    assert found == expected(process.pid), found
""",
        mounts=True,
    )
    assert told.count("this kernel has no PMU uprobe, attaching by tracefs") == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "usdt: expected %:PROVIDER:NAME"),
        ("beepy:hit", "usdt beepy:hit: expected %:PROVIDER:NAME"),
        ("BINARY:beepy:hti", "usdt BINARY:beepy:hti: BINARY: no such USDT probe"),
        ("/bin/true:beepy:hit", "usdt /bin/true:beepy:hit: /bin/true: no such USDT probe"),
    ],
)
def test_a_missing_target_is_a_one_line_error(
    spec: CollectionSpec, process: probed.Probed, name: str, message: str
) -> None:
    path = str(process.program)
    targets = {"three": Target(name.replace("BINARY", path)), "plain": target(process, "bare")}
    with load(spec, targets=targets) as collection, pytest.raises(AttachError) as caught:
        collection.attach()
    assert (
        str(caught.value)
        == f"program 'three': {message.replace('BINARY', path).replace('%', 'BINARY')}"
    )
    assert process.pass_all(1) == 0
    if "hti" in name:
        assert caught.value.__notes__ == ["some of its 2: beepy:hit"]
