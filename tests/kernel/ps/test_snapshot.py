"""All BPF objects of this machine, beside bpftool; ours attached in every way that works here."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from beepy import hooks, sections, uapi
from beepy.collection.load import load
from beepy.hooks import Target, netlink
from beepy.host import cgroups, runtime, tracefs
from beepy.kernel import bpffs, program
from beepy.kernel import map as maps
from beepy.kernel.program import Program
from beepy.ps.snapshot import machine
from beepy.ps.values import Machine
from beepy.ps.values import Program as Shown
from beepy.sys import syscall
from beepy.uapi import MapType
from tests.support import child, hits, network, probed, programs
from tests.support.allowed import allowed
from tests.support.network import Network

pytestmark = pytest.mark.kernel

BRIEF = 0.01
LIBC = "libc.so.6"


@contextmanager
def loaded(section: str, returns: int = 0) -> Iterator[Program]:
    """A program of two instructions."""
    hook = sections.find(section)
    assert hook
    with program.load(
        "returns",
        section,
        hook.prog_type,
        programs.returns(returns),
        "GPL",
        attach_type=hook.attach_type,
        flags=hook.flags,
    ) as loaded_program:
        yield loaded_program


def of(found: Machine, number: int) -> Shown:
    (shown,) = [one for one in found.programs if one.id == number]
    return shown


@pytest.fixture
def wire() -> Iterator[Network]:
    with network.private() as found:
        yield found


@pytest.fixture
def group() -> Iterator[Path]:
    root = cgroups.root()
    if not root:
        pytest.skip("cgroup v2 is not mounted")
    path = Path(root) / f"beepy-test-{os.getpid()}"
    path.mkdir()
    yield path
    path.rmdir()


@pytest.mark.parametrize(
    ("section", "name", "attached"),
    [
        ("tracepoint", "sched/sched_process_exit", "tracepoint sched_process_exit"),
        ("raw_tp", "sched_process_exit", "raw_tracepoint sched_process_exit"),
        ("uprobe", f"{LIBC}:getenv", r"uprobe /.*libc.*\+0x[0-9a-f]+"),
        ("uretprobe", f"{LIBC}:getenv", r"uretprobe /.*libc.*\+0x[0-9a-f]+"),
        ("uprobe.multi", f"{LIBC}:secure_get?nv", r"uprobe\.multi /.*libc\S* 1 places"),
        ("uretprobe.multi", f"{LIBC}:secure_get?nv", r"uretprobe\.multi /.*libc\S* 1 places"),
        ("perf_event", "page-faults", "perf_event page-faults"),
        # the kernel has replaced the type by one without a name
        ("perf_event", "cpu-clock:freq=1", r"perf_event (cpu-clock|type \d+ config 0)"),
    ],
)
def test_where_a_program_is_attached(section: str, name: str, attached: str) -> None:
    with loaded(section) as ours, hooks.attach(ours, Target(name)):
        found = machine(BRIEF)
        shown = of(found, ours.id())
    (place,) = shown.attached
    assert re.fullmatch(attached, place)
    assert (shown.name, shown.pids) == ("returns", (os.getpid(),))
    assert shown.links
    assert {link.attached for link in found.links if link.program == shown.id} == {place}
    assert {link.pids for link in found.links if link.program == shown.id} == {(os.getpid(),)}


def places(name: str, folder: Path) -> set[str]:
    """Return where the programs and links of an object of bpf/test/ are attached."""
    with load(allowed(probed.built(folder, name))) as collection:
        collection.attach()
        numbers = {one.id() for one in collection.programs.values()}
        used = {one.info().id for one in collection.maps.values()}
        found = machine(BRIEF)
    operations = {f"struct_ops map {number}" for number in used}
    return {
        re.sub(r"\d+$", "N", place)
        for place in (
            *[place for one in found.programs if one.id in numbers for place in one.attached],
            *[link.attached for link in found.links if link.attached in operations],
        )
    }


@pytest.mark.parametrize(
    ("name", "attached"),
    [
        ("tp_btf", {"raw_tracepoint sched_process_exit"}),
        ("iter", {"iter task", "iter bpf_map_elem"}),
        ("struct_ops", {"struct_ops map N"}),
    ],
)
def test_programs_with_types(name: str, attached: set[str], tmp_path: Path) -> None:
    assert places(name, tmp_path) == attached


def test_maps_of_sockets(tmp_path: Path) -> None:
    with hits.loaded(hits.compile_object("sockets", tmp_path)) as collection:
        ours = collection.programs["on_send"].id()
        number = collection.maps["connections"].info().id
        with hits.attach(collection, "on_send", Target()):
            shown = of(machine(BRIEF), ours)
    # before v6.10 (699c23f02c65) nothing says where it is
    assert shown.attached in {(f"sk_msg_verdict map {number}",), ()}


@pytest.mark.parametrize(
    ("section", "target", "inside", "outside"),
    [
        ("xdp", "wire-a", "xdp wire-a", r"xdp interface \d+"),
        ("tcx/ingress", "wire-a", "tcx_ingress wire-a", r"tcx_ingress interface \d+"),
        ("tcx/egress", "wire-a", "tcx_egress wire-a", r"tcx_egress interface \d+"),
        ("sk_lookup", "", r"sk_lookup netns \d+", r"sk_lookup netns \d+"),
        ("flow_dissector", "", r"flow_dissector netns \d+", r"flow_dissector netns \d+"),
    ],
)
def test_an_interface_has_a_name_in_its_own_namespace_only(
    section: str, target: str, inside: str, outside: str, wire: Network
) -> None:
    with loaded(section) as ours, hooks.attach(ours, Target(target, netns=wire.name)):
        with wire.inside():
            (here,) = of(machine(BRIEF), ours.id()).attached
        (elsewhere,) = of(machine(BRIEF), ours.id()).attached
    assert re.fullmatch(inside, here)
    assert re.fullmatch(outside, elsewhere)


def test_netfilter(wire: Network) -> None:
    target = Target("ipv4/input/-5", netns=wire.name)
    with loaded("netfilter", 1) as ours, hooks.attach(ours, target):
        (place,) = of(machine(BRIEF), ours.id()).attached
    assert place == "netfilter ipv4 input priority -5"


@pytest.mark.parametrize("section", ["cgroup_skb/ingress", "cgroup/connect4", "cgroup/dev"])
def test_a_control_group_with_a_link_and_without(section: str, group: Path) -> None:
    with loaded(section, 1) as ours:
        with hooks.attach(ours, Target(cgroup=str(group))):
            linked = of(machine(BRIEF), ours.id())
        directory = os.open(group, os.O_RDONLY)
        attr = uapi.ProgAttach(
            target_fd=directory,
            attach_bpf_fd=ours.fd.fileno(),
            attach_type=ours.attach_type,
            attach_flags=uapi.BPF_F_ALLOW_MULTI,
        )
        syscall.prog_attach(attr, "a test")
        unlinked = of(machine(BRIEF), ours.id())
        attr.attach_flags = 0
        syscall.prog_detach(attr, "a test")
        os.close(directory)
    assert linked.attached == unlinked.attached
    assert linked.attached == (f"{ours.attach_type.name.lower()} {group}",)
    assert (len(linked.links), len(unlinked.links)) == (1, 0)


def test_netlink_and_perf_events_without_links(wire: Network) -> None:
    with wire.inside(), loaded("xdp", 2) as xdp, loaded("tc") as tc, loaded("tracepoint") as probe:
        index = socket.if_nametoindex("wire-a")
        netlink.attach_xdp(index, xdp.fd, 0, "a test")
        netlink.add_filter(index, tc.fd, "a-test", "a test", egress=True)
        event = uapi.PerfEventAttr(
            type=uapi.PERF_TYPE_TRACEPOINT,
            config=tracefs.tracepoint_id("sched", "sched_process_exit"),
            sample_period=1,
        )
        with syscall.perf_event_open(event, "a test") as fd:
            syscall.perf_event_ioctl(fd, uapi.PERF_EVENT_IOC_SET_BPF, probe.fd.fileno(), "a test")
            found = machine(BRIEF)
            numbers = [one.id() for one in (xdp, tc, probe)]
    attached = [of(found, number).attached for number in numbers]
    assert attached == [
        ("xdp wire-a",),
        ("tc egress wire-a",),
        ("tracepoint sched_process_exit",),
    ]
    assert of(found, numbers[2]).pids == (os.getpid(),)


def test_what_is_pinned(tmp_path: Path) -> None:
    if not shutil.which("mount"):
        pytest.skip("not installed: mount")
    folder = tmp_path / "a b"
    folder.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
    try:
        (folder / "below").mkdir()
        with loaded("tracepoint") as ours, maps.create(MapType.ARRAY, "kept", 4, 8, 1) as kept:
            number, map_number = ours.id(), kept.info().id
            bpffs.pin(ours.fd, str(folder / "below" / "program"), "a test")
            bpffs.pin(kept.fd, str(folder / "map"), "a test")
        found = machine(BRIEF)
    finally:
        subprocess.run(["umount", folder], check=True)
    shown = of(found, number)
    assert (shown.pins, shown.pids) == ((f"{folder}/below/program",), ())
    (kept_map,) = [one for one in found.maps if one.id == map_number]
    assert (kept_map.pins, kept_map.pids) == ((f"{folder}/map",), ())


def test_runs_are_counted_in_the_interval() -> None:
    with loaded("raw_tp") as ours, hooks.attach(ours, Target("sys_enter")):
        found = machine(BRIEF)
        shown = of(found, ours.id())
    assert found.seconds >= BRIEF
    assert shown.runs_per_second
    assert shown.ns_per_run
    assert shown.cpu == pytest.approx(shown.runs_per_second * shown.ns_per_run / 1e9)
    with loaded("tracepoint") as ours:
        still = of(machine(BRIEF), ours.id())
        unknown = of(machine(0), ours.id())
    assert (still.runs_per_second, still.ns_per_run, still.cpu) == (0, None, 0)
    assert (unknown.runs_per_second, unknown.ns_per_run, unknown.cpu) == (None, None, None)


def test_the_image_is_what_the_holder_records() -> None:
    with loaded("tracepoint") as ours, loaded("tracepoint") as other:
        with runtime.record_images([(ours.id(), "an image\n"), (other.id() + 10_000, "none")]):
            found = machine(BRIEF)
            assert of(found, ours.id()).image == "an image\\x0a"
            assert of(found, other.id()).image is None
        assert of(machine(BRIEF), ours.id()).image is None


def test_who_does_not_hold_a_program_cannot_name_it() -> None:
    """Any user may create such a file."""
    with loaded("tracepoint") as ours:
        code = (
            "from beepy.host import runtime\n"
            f"with runtime.record_images([({ours.id()}, 'false')]):\n"
            "    print(flush=True)\n"
            "    input()\n"
        )
        command = [sys.executable, "-c", code]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, cwd=child.ROOT, **pipes) as liar:
            assert liar.stdout
            assert liar.stdin
            liar.stdout.readline()
            assert of(machine(BRIEF), ours.id()).image is None
            liar.stdin.write(b"\n")


def bpftool(kind: str) -> dict[int, dict[str, Any]]:
    done = subprocess.run(
        ["bpftool", "-j", kind, "show"], check=True, capture_output=True, text=True
    )
    return {one["id"]: one for one in json.loads(done.stdout) if "id" in one}


@pytest.mark.peer("bpftool")
def test_the_same_objects_as_bpftool(tmp_path: Path) -> None:
    with load(probed.built(tmp_path, "raw_tp")) as collection, ExitStack() as stack:
        collection.attach()
        for section in ("tracepoint", "xdp", "cgroup/connect4", "sk_lookup"):
            stack.enter_context(loaded(section, 1))
        kinds = ("prog", "map", "link")
        before = {kind: bpftool(kind) for kind in kinds}
        found = machine(BRIEF)
        after = {kind: bpftool(kind) for kind in kinds}
        ours = {one.id() for one in collection.programs.values()}
    # others may load and unload at the same time
    lasting = {
        kind: [before[kind][number] for number in before[kind].keys() & after[kind].keys()]
        for kind in kinds
    }
    assert ours <= {one["id"] for one in lasting["prog"]}
    shown = {one.id: one for one in found.programs}
    for one in lasting["prog"]:
        same = shown[one["id"]]
        facts = (same.name, same.type, same.tag, same.bytes, same.uid)
        told = (one.get("name", ""), one["type"], one["tag"], one["bytes_memlock"], one["uid"])
        assert facts == told
        assert set(same.maps) == set(one.get("map_ids", ()))
    maps_ = {one.id: one for one in found.maps}
    for one in lasting["map"]:
        map_ = maps_[one["id"]]
        facts_of_map = (map_.name, map_.type, map_.bytes, map_.max_entries)
        assert facts_of_map == (
            *(one.get("name", ""), one["type"]),
            *(one["bytes_memlock"], one["max_entries"]),
        )
    links = {one.id: one for one in found.links}
    for one in lasting["link"]:
        assert (links[one["id"]].program or 0) == one.get("prog_id", 0)
