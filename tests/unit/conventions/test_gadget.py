"""What the maps and programs of a gadget mean; and that it is loaded as its own runner would."""

import pytest

from beepy import conventions
from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.conventions.gadget import adapt
from beepy.errors import BeepyError, BtfError, UnsupportedImage
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import (
    CollectionSpec,
    CoreRef,
    MapSpec,
    Parameter,
    ProgramSpec,
    VariableSpec,
)
from beepy.oci.formats import gadget as gadget_format
from beepy.uapi import CoreReloKind, MapType
from tests.support.gadget_types import Vocabulary
from tests.support.specs import program

EXIT = Insn(op.EXIT)
EVENTS = MapSpec("events", ".maps", MapType.RINGBUF, max_entries=4096)
LOST = MapSpec("events_lost_samples", ".maps", MapType.PERCPU_ARRAY, 4, 8, 1)
BUILD_IDS = MapSpec("ig_build_id", ".maps", MapType.HASH, 4, 32)
DATA = MapSpec(".rodata", ".rodata", MapType.ARRAY, 4, 8, 1, contents=bytes(8))


class Gadget:
    """An object of which tests add to the types."""

    def __init__(self) -> None:
        self.types = Vocabulary()
        w = self.types.writer
        self.event = w.struct("event", 4, [("pid", self.types.u32, 0)])
        self.key = w.struct("key", 4, [("op", self.types.u32, 0)])
        self.stats = MapSpec(
            "stats", ".maps", MapType.HASH, 4, 4, 16, key=self.key, value=self.event
        )

    def says(self, *names: str) -> None:
        for name in names:
            self.types.writer.var(f"gadget_{name}", self.types.writer.ptr(VOID))

    def spec(self, *maps: MapSpec, programs: tuple[ProgramSpec, ...] = ()) -> CollectionSpec:
        u32 = self.types.u32
        variables = (
            VariableSpec("failed", ".rodata", u32, 0, 4, const=True),
            VariableSpec("targ_pid", ".rodata", u32, 4, 4, const=True),
            VariableSpec("gadget_param_failed", ".bss", u32, 0, 8, const=False),
        )
        btf = Btf(self.types.writer.data(), name="image")
        return CollectionSpec("image", "GPL", programs, maps, variables, (), btf)

    def applied(
        self,
        *maps: MapSpec,
        programs: tuple[ProgramSpec, ...] = (),
        yaml: str = "",
        layers: str = "",
    ) -> CollectionSpec:
        hints = {gadget_format.METADATA: yaml.encode(), gadget_format.LAYERS: layers.encode()}
        return conventions.apply(self.spec(*maps, programs=programs), "gadget", hints)


def section(name: str, text: str) -> ProgramSpec:
    return program(EXIT, name=name)._replace(section=text)


def test_a_stream() -> None:
    gadget = Gadget()
    gadget.says("tracer_open___events___event", "map_tracer_events")
    spec = gadget.applied(EVENTS, LOST)
    (tracked,) = spec.tracked
    assert (tracked.map, tracked.shown_as, tracked.record) == ("events", "open", gadget.event)
    assert (tracked.lost_in, tracked.vocabulary) == ("events_lost_samples", "gadget")
    assert spec.convention == "gadget"


def test_a_table_is_drained() -> None:
    gadget = Gadget()
    gadget.says("mapiter_file___stats")
    (tracked,) = gadget.applied(gadget.stats).tracked
    assert (tracked.map, tracked.shown_as, tracked.drains) == ("stats", "file", True)


def test_an_iterator_of_two_programs() -> None:
    gadget = Gadget()
    gadget.says("iter_sockets___event___tcp___udp")
    programs = (section("tcp", "iter/tcp"), section("udp", "iter/udp"))
    records = gadget.applied(programs=programs).iterator_records
    assert [(name, r.name, r.record) for name, r in records.items()] == [
        ("tcp", "sockets", gadget.event),
        ("udp", "sockets", gadget.event),
    ]


def test_an_iterator_whose_records_cannot_be_read() -> None:
    gadget = Gadget()
    gadget.types.writer.struct("broken", 4, [("x", TypeId(9999), 0)])
    gadget.says("iter_tasks___broken___p")
    with pytest.raises(BtfError, match=r"^image: data source 'tasks': .*9999"):
        gadget.applied(programs=(section("p", "iter/task"),))


def test_a_gadget_that_says_nothing_is_shown_all_the_same() -> None:
    spec = Gadget().applied(Gadget().stats)
    assert [tracked.map for tracked in spec.tracked] == ["stats"]
    assert spec.convention.startswith("automatic: no variable")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tracer_open___other___event", "image: data source 'open': map 'other': not found"),
        ("mapiter_file___other", "image: data source 'file': map 'other': not found"),
        ("iter_tasks___event___other", "image: data source 'tasks': program 'other': not found"),
        ("iter_tasks___other___p", "image: data source 'tasks': struct other: not found"),
    ],
)
def test_names_of_what_the_object_lacks(name: str, message: str) -> None:
    gadget = Gadget()
    gadget.says(name)
    with pytest.raises(BtfError, match=f"^{message}$"):
        gadget.applied(EVENTS, programs=(program(EXIT),))


@pytest.mark.parametrize(
    ("names", "maps", "reason"),
    [
        (["tracer_open___events___other"], [EVENTS], "struct other: not found"),
        (["tracer_open___ig_build_id___event"], [BUILD_IDS], "neither a ring buffer nor"),
        (["mapiter_file___events"], [EVENTS], "not a hash"),
        (["mapiter_file___ig_build_id"], [BUILD_IDS], "the type of its keys is unknown"),
    ],
)
def test_what_cannot_be_shown(names: list[str], maps: list[MapSpec], reason: str) -> None:
    gadget = Gadget()
    gadget.says(*names)
    (hidden,) = gadget.applied(*maps).not_shown
    assert hidden.reason.startswith(reason)


def test_two_streams_in_one_map() -> None:
    gadget = Gadget()
    gadget.says("tracer_a___events___event", "tracer_b___events___key")
    spec = gadget.applied(EVENTS)
    assert [tracked.shown_as for tracked in spec.tracked] == ["a"]
    assert [hidden.reason for hidden in spec.not_shown] == [
        "stream 'b': its map has records of another stream too"
    ]


def test_parameters() -> None:
    gadget = Gadget()
    gadget.says("param_failed", "param_targ_pid", "param_other")
    yaml = 'params: {ebpf: {failed: {key: only-failed, defaultValue: "7", description: help}}}'
    spec = gadget.applied(DATA, gadget.stats, yaml=yaml)
    assert spec.parameters == (
        Parameter("only-failed", "failed", "7", "help"),
        Parameter("pid", "targ_pid", "", ""),
    )
    (data,) = [map_spec for map_spec in spec.maps if map_spec.name == ".rodata"]
    assert data.contents == b"\7" + bytes(7)
    assert spec.unsupported == ("parameter 'other': variable 'other' not found",)
    assert [variable.name for variable in spec.variables] == ["failed", "targ_pid"]


def test_a_default_that_does_not_fit() -> None:
    gadget = Gadget()
    gadget.says("param_failed")
    spec = gadget.applied(DATA, yaml="params: {ebpf: {failed: {defaultValue: many}}}")
    (line,) = spec.unsupported
    assert line.startswith("parameter 'failed': default: variable 'failed'")


def test_targets_of_programs() -> None:
    gadget = Gadget()
    gadget.says("mapelem_iter_target_dump___stats", "iter_all___event___dump")
    gadget.says("sk_prog_target_verdict___stats")
    programs = (
        section("a", "kprobe/x"),
        section("b", "kprobe/gadget_program_disabled"),
        section("c", "fentry/y"),
        section("dump", "iter/bpf_map_elem"),
        section("verdict", "sk_skb/verdict"),
        section("f", "perf_event/sampler"),
        section("g", "perf_event/other"),
        section("h", "socket1"),
        section("i", "classifier/egress/main"),
    )
    yaml = """
programs:
  a: {attach_to: vfs_read}
  c: {attach_to: gadget_program_disabled}
  sampler: {perf: {type: software, config: count_sw_page_faults_maj}, sampler: {frequency: 9}}
  other: {perf: {type: hardware, config: "x\\e[m"}}
"""
    spec = gadget.applied(gadget.stats, programs=programs, yaml=yaml)
    assert [(p.name, p.section, p.attach_to) for p in spec.programs] == [
        ("a", "kprobe/x", "vfs_read"),
        ("b", "?kprobe/gadget_program_disabled", ""),
        ("c", "?fentry/y", ""),
        ("dump", "iter/bpf_map_elem", "bpf_map_elem/stats"),
        ("verdict", "sk_skb/verdict", "stats"),
        ("f", "perf_event", "major-faults:freq=9"),
        ("g", "perf_event", ""),
        ("h", "socket", ""),
        ("i", "tc/egress", ""),
    ]
    (line,) = spec.unsupported
    assert line.startswith("program 'g': perf event (type, config, frequency): hardware, ")
    assert line.isprintable()


def test_libraries_may_be_missing() -> None:
    gadget = Gadget()
    gadget.says("mapiter_file___stats")
    sections = ("uprobe/libssl:SSL_read", "uretprobe/x:y", "?usdt/a:b:c", "kprobe/x")
    programs = tuple([section(name[:5], name) for name in sections])
    spec = gadget.applied(gadget.stats, programs=programs)
    assert spec.optional == {"uprob", "uretp", "?usdt"}


def test_maps_that_get_a_size() -> None:
    gadget = Gadget()
    gadget.says("mapiter_file___stats")
    spec = gadget.applied(gadget.stats, BUILD_IDS)
    assert [map_spec.max_entries for map_spec in spec.maps] == [16, 1]


def test_parts_that_are_not_supported() -> None:
    gadget = Gadget()
    gadget.says("mapiter_file___stats", "pf_")
    sockets = gadget.stats._replace(name="gadget_sockets")
    layers = f"{gadget_format.PROGRAM}\n{gadget_format.WASM}\n{gadget_format.BTFGEN}"
    spec = gadget.applied(gadget.stats, sockets, layers=layers)
    assert [line.partition(":")[0] for line in spec.unsupported] == [
        "WASM module",
        "types for kernels without their own (btfgen)",
        "map 'gadget_sockets'",
        "variable 'gadget_pf_'",
    ]


def test_a_data_source_with_metrics() -> None:
    gadget = Gadget()
    gadget.says("mapiter_file___stats")
    yaml = "datasources: {file: {annotations: {metrics.implicit-counter.name: rows}}}"
    (tracked,) = gadget.applied(gadget.stats, yaml=yaml).tracked
    assert [measure.name for measure in tracked.measures] == ["rows_total"]
    other = yaml.replace("{metrics.i", '{metrics.collect: "false", metrics.i')
    (tracked,) = gadget.applied(gadget.stats, yaml=other).tracked
    assert tracked.measures == ()


def test_sockets_are_read_by_the_images_own_type() -> None:
    gadget = Gadget()
    w = gadget.types.writer
    text = w.array(gadget.types.char, 16)
    value = w.struct("gadget_socket_value", 24, [("pid", gadget.types.u64, 0), ("cwd", text, 64)])
    other = w.struct("task_struct", 8, [("pid", gadget.types.u64, 0)])
    exists = CoreReloKind.FIELD_EXISTS
    refs = (
        CoreRef(0, value, "0:0", CoreReloKind.FIELD_BYTE_OFFSET),
        CoreRef(0, value, "0:0", exists),
        CoreRef(0, value, "0:1", exists),  # the kernel has no such type: it does not exist
        CoreRef(0, value, "0:1", CoreReloKind.FIELD_BYTE_SIZE),
        CoreRef(0, other, "0:0", CoreReloKind.FIELD_BYTE_OFFSET),
    )
    spec = gadget.spec(programs=(program(EXIT)._replace(core=refs),))
    (adapted,) = adapt(spec, {}).programs
    assert adapted.core == (refs[2], refs[4])


def test_an_object_without_types() -> None:
    spec = CollectionSpec("image", "GPL", (), (), (), (), None)
    assert adapt(spec, {}).unsupported == ("the object has no types: nothing is shown",)


@pytest.mark.parametrize("yaml", ["- a", "params: [1]", "a: &x [*x]"])
def test_metadata_that_cannot_be_read(yaml: str) -> None:
    with pytest.raises(UnsupportedImage, match=r"^image: gadget.yaml: "):
        Gadget().applied(yaml=yaml)


def test_errors_are_ours() -> None:
    assert issubclass(UnsupportedImage, BeepyError)
