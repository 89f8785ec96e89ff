"""Ask libbpf itself what each section name means, and which names it knows at all.

``OTHERS`` are sections that it does not know, and other loaders do.
"""

import ctypes
import ctypes.util
from collections.abc import Iterator, Mapping

import pytest

from beepy.sections import NAMED_TARGETS, TABLE, exact, find, target
from beepy.uapi import AttachType

pytestmark = pytest.mark.oracle

_Printer = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class Libbpf:
    """The library, and what it prints."""

    def __init__(self, path: str) -> None:
        self.library = ctypes.CDLL(path)
        self.printed: list[str] = []
        self._printer = _Printer(self._print)
        self.library.libbpf_set_print(self._printer)

    def _print(self, _level: int, text: bytes, arguments: int) -> int:
        room = ctypes.create_string_buffer(1 << 14)
        ctypes.CDLL(None).vsnprintf(
            room, ctypes.c_size_t(len(room)), text, ctypes.c_void_p(arguments)
        )
        self.printed.append(room.value.decode())
        return 0

    def types(self, section: str) -> tuple[int, int] | None:
        prog, attach = ctypes.c_int(), ctypes.c_int()
        found = self.library.libbpf_prog_type_by_name(
            section.encode(), ctypes.byref(prog), ctypes.byref(attach)
        )
        return None if found else (prog.value, attach.value)

    def attach_type(self, section: str) -> int | None:
        attach = ctypes.c_int()
        found = self.library.libbpf_attach_type_by_name(section.encode(), ctypes.byref(attach))
        return None if found else attach.value

    def names(self) -> list[str]:
        """Return its whole table: it lists that when it does not know a name."""
        self.printed.clear()
        assert self.types("nothing of that name") is None
        (told,) = [text for text in self.printed if "supported section(type) names are:" in text]
        return told.partition("are:")[2].split()

    def close(self) -> None:
        self.library.libbpf_set_print(None)


@pytest.fixture(scope="module")
def libbpf() -> Iterator[Libbpf]:
    path = ctypes.util.find_library("bpf")
    if not path:
        pytest.skip("not installed: libbpf.so")
    library = Libbpf(path)
    yield library
    library.close()


def test_every_name_of_libbpf_s_is_known_and_means_the_same(libbpf: Libbpf) -> None:
    names = libbpf.names()
    assert len(names) >= 81  # v1.1
    for name in names:
        bare = name.removesuffix("+")
        for section in [bare, f"{bare}/x"] if name.endswith("+") else [bare]:
            hook = exact(section)
            assert hook, section
            assert find(section) is hook
            assert (hook.prog_type, hook.attach_type) == libbpf.types(section), section


def test_what_only_we_know_is_what_later_releases_added(libbpf: Libbpf) -> None:
    """Our table is that of v1.8; common sections have the same order, and allow "+" alike."""
    theirs = libbpf.names()
    ours = [hook.section for hook in TABLE]
    assert [name for name in ours if name in theirs] == [name for name in theirs if name in ours]
    assert {name.rstrip("+") for name in theirs} <= {name.rstrip("+") for name in ours}
    assert [name for name in theirs if name not in ours] == []


@pytest.mark.parametrize(
    "section",
    [
        "kprobex",
        "kprobe.x/a",
        "xdp/eth0",
        "tracepoint_/a/b",
        "socket1",
        "tc/x",
        "?kprobe/a",
        "cgroup",
        "",
    ],
)
def test_what_libbpf_refuses_is_not_its_row(libbpf: Libbpf, section: str) -> None:
    assert libbpf.types(section) is None
    if not section.startswith("?"):  # libbpf takes that away before it asks
        assert exact(section) is None


OTHERS: Mapping[str, tuple[str, str]] = {
    "socket1": ("socket", "cilium/ebpf: Inspektor Gadget"),
    "classifier/stats": ("classifier", "cilium/ebpf and aya: bpfman's examples"),
    "perf_event/profiler": ("perf_event", "cilium/ebpf and aya: Inspektor Gadget"),
    "perf_event/type=0,config=3,frequency=1": ("perf_event", "ebpf_exporter"),
    "xdp/lo": ("xdp", "ebpf_exporter: an interface; cilium/ebpf ignores it"),
    "xdp_pass": ("xdp", "cilium/ebpf"),
    "sk_msg/redirect": ("sk_msg", "cilium/ebpf and aya"),
    "sockops/established": ("sockops", "cilium/ebpf and aya"),
    "cgroup_skb/egress/count": ("cgroup_skb/egress", "cilium/ebpf and aya"),
    "cgroup/connect4/redirect": ("cgroup/connect4", "cilium/ebpf and aya"),
    "tc_count": ("tc", "cilium/ebpf"),
}
"""Sections that other loaders accept and libbpf does not: what they are taken for, and by whom."""


@pytest.mark.parametrize("section", OTHERS)
def test_what_only_others_accept(libbpf: Libbpf, section: str) -> None:
    hook = find(section)
    assert hook
    assert hook.section == OTHERS[section][0]
    assert exact(section) is None
    assert libbpf.types(section) is None
    assert bool(target(hook, section)) <= (hook.section in NAMED_TARGETS)
    assert libbpf.types(hook.section) == (hook.prog_type, hook.attach_type)


def test_attach_types_by_name(libbpf: Libbpf) -> None:
    for name in libbpf.names():
        section = name.removesuffix("+")
        attach = libbpf.attach_type(section)
        if attach is not None:
            hook = exact(section)
            assert hook
            assert hook.attach_type == AttachType(attach), section
