import json

import pytest

from beepy import conventions
from beepy.obj.spec import CollectionSpec, MapSpec
from beepy.oci.formats.bpfman import PROGRAMS
from beepy.uapi import MapType
from tests.support import specs

COUNTS = MapSpec("counts", ".maps", MapType.HASH, 4, 8, 16)
TAILS = MapSpec("tails", ".maps", MapType.PROG_ARRAY, 4, 4, 2, slots=((0, "tail"),))


def adapted(
    sections: dict[str, str], types: dict[str, str] | None, *maps: MapSpec
) -> CollectionSpec:
    programs = [specs.program(name=name)._replace(section=text) for name, text in sections.items()]
    spec = specs.spec(*maps)._replace(programs=tuple(programs))
    hints = {} if types is None else {PROGRAMS: json.dumps(types).encode()}
    return conventions.apply(spec, "bpfman", hints)


@pytest.mark.parametrize(
    ("section", "kind", "expected"),
    [
        ("tracepoint/kill_recorder", "tracepoint", "tracepoint"),
        ("tracepoint/syscalls/sys_enter_kill", "tracepoint", "tracepoint"),
        ("tp/x", "tracepoint", "tp"),
        ("kprobe/counter", "kprobe", "kprobe"),
        ("kprobe/counter", "kretprobe", "kretprobe"),
        ("kretprobe/counter", "kretprobe", "kretprobe"),
        ("uprobe/counter", "uprobe", "uprobe"),
        ("uprobe.s/counter", "uprobe", "uprobe.s"),
        ("uretprobe", "uretprobe", "uretprobe"),
        ("kprobe/counter", "uprobe", "uprobe"),
        ("fentry/do_unlinkat", "fentry", "fentry/do_unlinkat"),
        ("fentry.s/do_unlinkat", "fentry", "fentry.s/do_unlinkat"),
        ("fentry/do_unlinkat", "fexit", "fexit"),
        ("fexit/do_unlinkat", "fexit", "fexit/do_unlinkat"),
        ("classifier/stats", "tc", "tc"),
        ("classifier/tcx_stats", "tcx", "tcx/ingress"),
        ("classifier", "tc", "classifier"),
        ("tc/egress", "tcx", "tc/egress"),
        ("xdp", "xdp", "xdp"),
        ("xdp.frags", "xdp", "xdp.frags"),
        ("xdp/lo", "xdp", "xdp"),
        ("?xdp", "xdp", "xdp"),
        ("socket", "xdp", "xdp"),
        ("anything", "lsm", "anything"),
    ],
)
def test_the_label_gives_the_type(section: str, kind: str, expected: str) -> None:
    (program,) = adapted({"p": section}, {"p": kind}).programs
    assert program.section == expected


def test_programs_that_no_label_names() -> None:
    sections = {"count": "xdp", "other": "xdp", "tail": "xdp"}
    spec = adapted(sections, {"count": "xdp", "gone\x1b": "tc"}, TAILS)
    assert [program.section for program in spec.programs] == ["xdp", "?xdp", "xdp"]
    assert spec.unsupported == (r"label io.ebpf.programs: no program 'gone\x1b'",)


@pytest.mark.parametrize("types", [None, {}, {"gone": "xdp"}])
def test_without_a_label_the_sections_stay(types: dict[str, str] | None) -> None:
    spec = adapted({"count": "xdp", "kill": "tracepoint/kill"}, types)
    assert [program.section for program in spec.programs] == ["xdp", "tracepoint/kill"]


def test_an_unknown_type_is_said() -> None:
    spec = adapted({"p": "xdp"}, {"p": "probe\x1b"})
    why = r"label's type 'probe\x1b': its section is taken"
    assert spec.unsupported == (f"program 'p': {why}",)


def test_maps_are_shown_by_the_automatic_convention() -> None:
    spec = adapted({"p": "xdp"}, {"p": "xdp"}, COUNTS)
    assert [decision.map for decision in spec.tracked] == ["counts"]
    assert spec.convention.startswith("bpfman: ")
