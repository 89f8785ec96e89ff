import pytest

from beepy.analysis import delegation, requirements
from beepy.analysis.delegation import Delegation
from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.btf.writer import BtfWriter
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CollectionSpec, MapRef, MapSpec, ProgramSpec, Role, Tracked
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from beepy.uapi import HELPERS, MapType


def calling(name: str) -> Insn:
    return Insn(op.CALL, imm=HELPERS.index(name))


def program(section: str, *insns: Insn, name: str = "one") -> ProgramSpec:
    return ProgramSpec(name, section, (*insns, Insn(op.EXIT)), (), (), (), (), ((name, 0),))


def spec_of(*programs: ProgramSpec, maps: tuple[MapSpec, ...] = ()) -> CollectionSpec:
    return CollectionSpec("x", "GPL", programs, maps, (), (), Btf(BtfWriter().data()))


def map_spec(map_type: int, inner: MapSpec | None = None) -> MapSpec:
    return MapSpec("m", ".maps", map_type, 4, 4, 1, inner=inner)


def of_collection(spec: CollectionSpec) -> Delegation:
    return delegation.of_collection(spec, requirements.of_collection(spec)[1])


def options(spec: CollectionSpec) -> str:
    return ",".join(delegation.options(of_collection(spec)))


def test_the_options_are_what_the_object_creates() -> None:
    assert options(parse(bundled_store().get("runqlat"))) == (
        "delegate_cmds=btf_load:map_create:prog_load,delegate_maps=array:lru_hash:ringbuf,"
        "delegate_progs=tracing,delegate_attachs=trace_raw_tp"
    )


def test_programs_that_are_not_loaded_do_not_count() -> None:
    spec = spec_of(program("xdp"), program("?tc", name="other"), program("nobody/knows", name="x"))
    assert options(spec._replace(btf=None)) == (
        "delegate_cmds=prog_load,delegate_progs=xdp,delegate_attachs=xdp"
    )


def test_what_counts_losses_is_an_array() -> None:
    """Where nothing can be lost, none is needed."""
    ring = MapSpec("m", ".maps", MapType.RINGBUF, 0, 0, 4096)
    output = ProgramSpec(
        "one",
        "raw_tp",
        (Insn(op.LD_IMM64, 1), Insn(0), calling("ringbuf_output"), Insn(op.EXIT)),
        (MapRef(0, "m"),),
        *((), (), ()),
        (("one", 0),),
    )
    shown = spec_of(output, maps=(ring,))._replace(tracked=(Tracked("m", Role.PRINT, TypeId(1)),))
    assert "delegate_maps=array:ringbuf," in options(shown)
    assert "delegate_maps=ringbuf," in options(shown._replace(programs=(program("raw_tp"),)))


def test_a_program_without_attach_type_has_the_first_one() -> None:
    assert "delegate_attachs=cgroup_inet_ingress" in options(spec_of(program("kprobe/x")))


def test_struct_ops_have_the_numbers_of_their_operations() -> None:
    assert "delegate_attachs=any" in options(spec_of(program("struct_ops/x"), program("xdp")))


def test_inner_maps_are_created_too() -> None:
    outer = map_spec(MapType.ARRAY_OF_MAPS, map_spec(MapType.HASH))
    assert "delegate_maps=array_of_maps:hash," in options(spec_of(program("xdp"), maps=(outer,)))


@pytest.mark.parametrize(
    ("section", "besides"),
    [
        ("raw_tp/x", ()),
        ("tp_btf/x", ()),
        ("fentry/x", ()),
        ("lsm/x", ()),
        ("iter/task", ()),
        ("cgroup_skb/egress", ()),
        ("xdp", ()),
        ("tc", ()),
        ("kprobe.multi/x", ()),
        ("uprobe.multi/x:y", ()),
        ("kprobe.multi/x*", ("CAP_DAC_READ_SEARCH",)),
        ("tp/a/b", ("CAP_DAC_READ_SEARCH", "CAP_PERFMON")),
        ("kprobe/x", ("CAP_PERFMON",)),
        ("ksyscall/x", ("CAP_PERFMON",)),
        ("perf_event", ("CAP_PERFMON",)),
        ("uprobe/x:y", ("CAP_SYS_ADMIN",)),  # it includes CAP_PERFMON
        ("usdt/x:y:z", ("CAP_SYS_ADMIN",)),
        ("fentry/nf_tables:x", ("CAP_SYS_ADMIN",)),
        ("freplace/x", ("CAP_SYS_ADMIN",)),
        ("sk_reuseport", ("CAP_SYS_ADMIN",)),
        ("socket", ("CAP_NET_RAW",)),
    ],
)
def test_what_no_token_replaces(section: str, besides: tuple[str, ...]) -> None:
    found = of_collection(spec_of(program(section))).besides
    assert tuple(cap.name for cap in found) == besides


def test_a_helper_may_need_more() -> None:
    spec = spec_of(program("raw_tp/x", calling("probe_write_user")))
    assert [cap.name for cap in of_collection(spec).besides] == ["CAP_SYS_ADMIN"]


def test_a_perf_buffer_is_read_by_perf_events() -> None:
    events = map_spec(MapType.PERF_EVENT_ARRAY)
    spec = spec_of(program("raw_tp/x"), maps=(events,))
    assert of_collection(spec).besides == ()
    shown = spec._replace(tracked=(Tracked("m", Role.PRINT, VOID),))
    (besides,) = of_collection(shown).besides
    assert besides == ("CAP_PERFMON", "perf buffers")
