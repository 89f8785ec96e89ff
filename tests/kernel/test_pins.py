import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from beepy import source
from beepy.collection import pins as pinning
from beepy.collection.load import load
from beepy.errors import KernelError
from beepy.kernel import bpffs
from beepy.kernel import map as kernel_map
from beepy.maps import claim
from beepy.maps.claim import Claim
from beepy.obj.parse import parse
from beepy.obj.pinning import Pins
from beepy.obj.spec import CollectionSpec
from beepy.streams import stream
from beepy.uapi import MapType
from tests.kernel.conftest import ObjectOf
from tests.support import apart
from tests.support.command import Beepy

pytestmark = pytest.mark.kernel

KEPT, LOST = "beepy_test_kept", "beepy_test_lost"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Mount a BPF file system of the test's own."""
    if not shutil.which("mount"):
        pytest.skip("not installed: mount")
    folder = tmp_path / "bpf"
    folder.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def spec(compiled: ObjectOf) -> CollectionSpec:
    return parse(
        Path(compiled('#define KEEP\n#include "test/pinned.bpf.c"\n')).read_bytes(), "pinned"
    )


def second(collection_map: kernel_map.Map) -> int:
    value = collection_map.lookup((1).to_bytes(4, "little"))
    assert value
    return int.from_bytes(value, "little")


def test_a_map_pinned_by_name_keeps_its_values(spec: CollectionSpec, root: Path) -> None:
    for turn in (1, 2, 3):
        with load(spec, pins=Pins(str(root))) as collection:
            assert collection.programs["count"].run().retval == 0
            assert second(collection.maps[KEPT]) == turn
            assert second(collection.maps[LOST]) == turn
    assert [file.name for file in root.iterdir() if "debug" not in file.name] == [KEPT]


def test_every_map_but_data_is_pinned_in_a_new_directory(spec: CollectionSpec, root: Path) -> None:
    pins = Pins(maps=str(root / "a" / "maps"), programs=str(root / "a" / "programs"))
    for turn in (1, 2):
        with load(spec, pins=pins) as collection:
            collection.programs["count"].run()
            assert second(collection.maps[KEPT]) == turn
            latest = collection.programs["count"].id()
        assert {file.name for file in (root / "a" / "maps").iterdir()} == {KEPT, LOST}
        assert [file.name for file in (root / "a" / "programs").iterdir()] == ["count"]
        assert number(root / "a" / "programs" / "count") == latest


def test_a_pinned_map_with_another_definition_is_refused(spec: CollectionSpec, root: Path) -> None:
    with kernel_map.create(MapType.HASH, "other", 4, 8, 3) as other:
        bpffs.pin(other.fd, str(root / KEPT), "test")
    path = str(root / KEPT)
    with pytest.raises(
        KernelError, match=f"map '{KEPT}': pinned at {path}: type 1, expected 2, max_entries 3"
    ) as caught:
        load(spec, pins=Pins(str(root)))
    assert f"rm {path}" in caught.value.__notes__[0]


def test_a_pin_that_is_not_a_map_is_refused(spec: CollectionSpec, root: Path) -> None:
    with load(spec, pins=Pins(str(root), programs=str(root / "programs"))):
        pass
    (root / KEPT).unlink()
    (root / "programs" / "count").rename(root / KEPT)
    with pytest.raises(KernelError, match="anon_inode:bpf-prog, expected a map"):
        load(spec, pins=Pins(str(root)))
    with kernel_map.create(MapType.HASH, "other", 4, 8, 3) as other:
        bpffs.pin(other.fd, str(root / "programs" / "count"), "test")
    with pytest.raises(
        KernelError, match=r"program 'count': pinned at .*: anon_inode:bpf-map, expected a prog"
    ):
        load(spec, pins=Pins(str(root / "x"), programs=str(root / "programs")))


def number(path: Path) -> int:
    """Return the id of the program that is pinned at a path."""
    fd = bpffs.get(str(path), "prog", "test")
    assert fd
    with fd:
        info = Path(f"/proc/self/fdinfo/{fd.fileno()}").read_text("ascii")
    return int(info.partition("prog_id:\t")[2].split()[0])


def test_programs_are_pinned_all_or_none(spec: CollectionSpec, root: Path) -> None:
    (program,) = spec.programs
    two = spec._replace(programs=(program, program._replace(name="other")))
    pins = Pins(str(root), programs=str(root / "programs"))
    with load(spec, pins=pins):
        before = number(root / "programs" / "count")
    with kernel_map.create(MapType.HASH, "other", 4, 8, 3) as other:
        bpffs.pin(other.fd, str(root / "programs" / "other"), "test")
    with pytest.raises(
        KernelError, match=r"program 'other': pinned at .*: anon_inode:bpf-map, expected a prog"
    ):
        load(two, pins=pins)
    assert sorted(file.name for file in (root / "programs").iterdir()) == ["count", "other"]
    assert number(root / "programs" / "count") == before


def test_programs_with_the_same_file_name_are_refused(spec: CollectionSpec, root: Path) -> None:
    (program,) = spec.programs
    pins = Pins(str(root), programs=str(root / "programs"))
    with load(spec, pins=pins):
        before = number(root / "programs" / "count")
    two = spec._replace(
        programs=(program, program._replace(name="a.b"), program._replace(name="a_b"))
    )
    with pytest.raises(
        KernelError, match=r"^program 'a_b': pin at .*/a_b: another program has this file$"
    ):
        load(two, pins=pins)
    assert [file.name for file in (root / "programs").iterdir()] == ["count"]
    assert number(root / "programs" / "count") == before


def test_only_one_process_at_a_time_pins_in_a_directory(
    spec: CollectionSpec, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = root / "programs"
    folder.mkdir()
    with load(spec, pins=Pins(str(root))) as collection:
        programs = list(collection.programs.values())
        thread = threading.Thread(
            target=pinning.pin_programs, args=(programs, str(folder), ExitStack())
        )
        with bpffs.locked(str(folder)):
            thread.start()
            while not caplog.messages[-1:] or "waiting for" not in caplog.messages[-1]:
                thread.join(0.05)
            assert (thread.is_alive(), list(folder.iterdir())) == (True, [])
        thread.join()
    assert [file.name for file in folder.iterdir()] == ["count"]
    name = Path("/proc/self/comm").read_text(encoding="utf-8").rstrip()
    assert caplog.messages[-1:] == [
        f"{folder}: waiting for pid {os.getpid()} ({name}), which has locked it"
    ]


def test_a_directory_that_others_may_write_is_refused(spec: CollectionSpec, root: Path) -> None:
    """They could replace our maps, or hold the lock."""
    folder = root / "shared"
    folder.mkdir()
    folder.chmod(0o770)
    for pins in (Pins(str(folder)), Pins(str(root / "maps"), programs=str(folder))):
        with pytest.raises(KernelError, match=rf": {folder}: writable by others") as caught:
            load(spec, pins=pins)
        assert caught.value.__notes__ == [f"chmod go-w {folder}"]
        assert list(folder.iterdir()) == []
    folder.chmod(0o1777)  # as a BPF file system's root: only owners remove and rename
    with load(spec, pins=Pins(str(folder))):
        assert len(list(folder.iterdir())) == 1


def test_a_temporary_pin_of_a_killed_process_is_replaced(spec: CollectionSpec, root: Path) -> None:
    pins = Pins(str(root), programs=str(root / "programs"))
    with load(spec, pins=pins) as earlier:
        bpffs.pin(earlier.programs["count"].fd, str(root / "programs" / "count~"), "test")
    with load(spec, pins=pins) as collection:
        assert [file.name for file in (root / "programs").iterdir()] == ["count"]
        assert number(root / "programs" / "count") == collection.programs["count"].id()


def test_a_load_that_fails_unpins(spec: CollectionSpec, root: Path) -> None:
    (program,) = spec.programs
    broken = spec._replace(programs=(program._replace(insns=program.insns[:-1], core=()),))
    with pytest.raises(KernelError):
        load(broken, pins=Pins(maps=str(root / "maps")))
    assert not list((root / "maps").iterdir())


def test_only_a_bpf_file_system_holds_pins(spec: CollectionSpec, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    for pins in (Pins(str(folder)), Pins(maps=str(folder))):
        with pytest.raises(
            KernelError, match=rf"map '{KEPT}': {folder}: not in a mounted BPF file system"
        ) as caught:
            load(spec, pins=pins)
        assert caught.value.__notes__ == ["mount -t bpf bpf /sys/fs/bpf"]
    assert not folder.exists()


@pytest.mark.parametrize("flag", ["--pin-maps", "--pin-progs"])
def test_a_directory_with_a_dot(root: Path, beepy: Beepy, flag: str) -> None:
    ran = beepy("run", "exitsnoop", "-o", "none", "--timeout", "1ms", flag, f"{root}/a.b")
    assert ran.code == 1
    assert "operation not permitted (EPERM)" in ran.said[0]
    assert ran.said[1] == "note: names in a BPF file system must not contain a dot"


def test_names_stay_in_their_directory(spec: CollectionSpec, root: Path) -> None:
    odd = [
        map_spec._replace(name="../odd.name", pinning=1)
        for map_spec in spec.maps
        if map_spec.name == KEPT
    ]
    alone = spec._replace(maps=tuple(odd), programs=(), variables=())
    with load(alone, pins=Pins(str(root / "inner"))):
        assert [file.name for file in (root / "inner").iterdir()] == ["___odd_name"]


def test_a_map_that_was_pinned_meanwhile_is_kept(root: Path) -> None:
    path = str(root / KEPT)
    with kernel_map.create(MapType.ARRAY, KEPT, 4, 8, 2) as first, ExitStack() as undo:
        assert pinning.pin_map(first, path, undo)
        assert not pinning.pin_map(first, path, undo)
    assert not (root / KEPT).exists()


def test_the_flags_of_run(root: Path, beepy: Beepy) -> None:
    for _ in range(2):  # the second run reuses the first one's pins
        ran = beepy(
            "run",
            "exitsnoop",
            "-o",
            "none",
            "--timeout",
            "1ms",
            f"--pin-maps={root}/maps",
            f"--pin-progs={root}/progs",
        )
        assert ran.code == 0, ran.err
        pinned = sorted(str(path.relative_to(root)) for path in root.glob("*/*"))
        assert pinned == ["maps/print_exits", "progs/sched_process_exit"]
    for path in root.glob("*/*"):
        path.unlink()


@pytest.mark.parametrize(
    "wrong", [("--attach", "sched_process_exit=sched/nosuch"), ("-f", "nothing,a,b")]
)
def test_a_run_that_attaches_nothing_removes_its_pins(
    root: Path, beepy: Beepy, wrong: tuple[str, str]
) -> None:
    flags = (f"--pin-maps={root}/maps", f"--pin-progs={root}/progs")
    assert beepy("run", "exitsnoop", *flags, *wrong).code != 0
    assert list(root.glob("*/*")) == []


@pytest.mark.parametrize(
    ("name", "tracked"), [("exitsnoop", "print_exits"), ("perfbuf", "print_events")]
)
def test_a_pinned_stream_has_one_reader_at_a_time(
    root: Path, beepy: Beepy, object_of: ObjectOf, name: str, tracked: str
) -> None:
    flags = ("run", object_of(name), "-o", "none", "--pin-maps", f"{root}/maps")
    with beepy.start("-v", *flags) as first:
        first.until_attached()
        second = beepy(*flags)
        pid = first.process.pid
        assert second.code == 1
        assert second.said == [
            f"beepy: map '{tracked}': pinned at {root}/maps/{tracked}: is being read by pid {pid}",
            f"note: kill -INT {pid} ends it",
        ]
        assert first.end(signal.SIGKILL).code == -signal.SIGKILL
    assert beepy(*flags, "--timeout", "1ms").code == 0
    for path in root.glob("maps/*"):
        path.unlink()


@pytest.mark.parametrize("name", ["exitsnoop", "perfbuf"])
def test_a_pinned_stream_has_one_reader_in_a_process(
    root: Path, object_of: ObjectOf, name: str
) -> None:
    pins = Pins(maps=str(root / "maps"))
    spec = source.parse(Path(object_of(name)).read_bytes(), name=name)
    with load(spec, pins=pins) as one, load(spec, pins=pins) as two:
        file = claim.DIRECTORY / str(two.maps[spec.tracked[0].map].info().id)
        for first, second in ((one, two), (two, one)):  # a refused reader holds no lock
            with stream(first):
                assert file.stat().st_mode & 0o777 == 0o600
                with pytest.raises(
                    KernelError, match=rf"pinned at .*: is being read by pid {os.getpid()}$"
                ):
                    stream(second)
            assert not file.exists()


def test_a_lock_that_others_may_remove_is_not_used(
    spec: CollectionSpec,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "beepy").mkdir()
    (tmp_path / "beepy").chmod(0o777)
    monkeypatch.setattr(claim, "DIRECTORY", tmp_path / "beepy" / "readers")
    with load(spec, pins=Pins(str(root))) as collection:
        kept = collection.maps[KEPT]
        Claim(kept).close()
        where = f"map '{KEPT}': pinned at {root}/{KEPT}: another reader would not be detected"
        assert (
            caplog.messages[-1]
            == f"{where}: {claim.DIRECTORY}/{kept.info().id}: owned or writable by others"
        )
    assert not claim.DIRECTORY.exists()


def test_a_failed_run_keeps_the_pins_of_an_earlier_run(root: Path, beepy: Beepy) -> None:
    flags = (f"--pin-maps={root}/maps", f"--pin-progs={root}/progs")
    assert beepy("run", "exitsnoop", "-o", "none", "--timeout", "1ms", *flags).code == 0
    before = {path: number(path) for path in root.glob("progs/*")}
    assert (
        beepy("run", "exitsnoop", *flags, "--attach", "sched_process_exit=sched/nosuch").code == 1
    )
    assert {path: number(path) for path in root.glob("progs/*")} == before != {}
    assert [path.name for path in root.glob("maps/*")] == ["print_exits"]
    for path in root.glob("*/*"):
        path.unlink()


def test_a_directory_outside_a_bpf_file_system(tmp_path: Path, beepy: Beepy) -> None:
    ran = beepy("run", "exitsnoop", "-o", "none", "--timeout", "1ms", f"--pin-maps={tmp_path}/maps")
    assert ran.code == 1
    assert (
        ran.said[0]
        == f"beepy: map 'print_exits': {tmp_path}/maps: not in a mounted BPF file system"
    )
    assert not (tmp_path / "maps").exists()


SHARED = """
#include "include/core.h"
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, u64);
} beepy_test_shared SEC(".maps");
SEC("raw_tp/sched_process_exec") int add(void *ctx)
{
	u32 key = 0;
	u64 *value = bpf_map_lookup_elem(&beepy_test_shared, &key);

	if (value)
		__sync_fetch_and_add(value, NUMBER);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


def test_a_private_file_system_where_none_is_mounted(beepy: Beepy, compiled: ObjectOf) -> None:
    """The objects of a run share their maps in it; nothing is left of it."""
    unmounted = 'umount -l /sys/fs/bpf 2>/dev/null; exec "$@"'
    apart_beepy = beepy._replace(prefix=(*apart.command(), "sh", "-c", unmounted, "sh"))
    # the values of both runs are one map's: a second run begins with 0 again
    paths = [compiled(f"#define NUMBER {number}\n{SHARED}") for number in (1, 1000)]
    for _ in range(2):
        with apart_beepy.start("-v", "run", *paths, "-o", "json", "--interval", "1h") as running:
            running.until_attached(2)
            subprocess.run(["/bin/true"], check=True)
            done = running.end()
        rows = [json.loads(line) for line in done.out.splitlines()]
        assert done.code == 0, done.err
        assert len(rows) == 2, done.err
        values = {row["value"] for row in rows}
        assert len(values) == 1
        (value,) = values
        assert (value // 1000 > 0, value % 1000 > 0) == (True, True)
        why = "they end with this run, for no BPF file system is mounted: mount -t bpf bpf"
        assert f"warning: maps pinned by name, beepy_test_shared: {why}" in (done.err)
    assert not Path("/sys/fs/bpf/beepy_test_shared").exists()


def test_a_private_file_system_is_left_when_all_is_loaded(spec: CollectionSpec) -> None:
    if bpffs.is_mounted(Pins().root):
        pytest.skip("a BPF file system is mounted")
    before = sorted(Path("/proc/self/fd").iterdir())
    with load(spec) as collection:
        assert collection.programs["count"].run().retval == 0
        assert second(collection.maps[KEPT]) == 1
        assert collection.maps[KEPT].pinned
        assert not Path(collection.maps[KEPT].pinned).exists()
    assert sorted(Path("/proc/self/fd").iterdir()) == before
