import pytest

from beepy.analysis.read_only import check
from beepy.errors import UntrustedImage
from beepy.obj.insn import CALL, EXIT, LD_IMM64, Insn
from beepy.obj.pinning import Pins
from beepy.obj.spec import CollectionSpec, MapRef, MapSpec, ProgramSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse_all
from beepy.uapi import HELPERS, MapType
from tests.support.specs import spec

KILLS = Insn(CALL, imm=HELPERS.index("send_signal"))


def program(section: str, *insns: Insn, uses: str = "", name: str = "p") -> ProgramSpec:
    refs = (MapRef(0, uses),) if uses else ()
    body = (*([Insn(LD_IMM64, 1), Insn(0)] if uses else []), *insns, Insn(EXIT))
    return ProgramSpec(name, section, body, refs, (), (), (), (("p", 0),))


def reads(**changed: object) -> CollectionSpec:
    """An object of two programs, which uses a map and changes nothing else."""
    programs = program("raw_tp", uses="own"), program("kprobe/x", name="q")
    maps = (MapSpec("own", ".maps", MapType.HASH, 4, 4, 1),)
    return spec()._replace(programs=programs, maps=maps)._replace(**changed)  # type: ignore[arg-type]


def test_what_only_reads_is_accepted() -> None:
    check([reads(), reads()], Pins(), "--read-only")
    left_out = (*reads().programs, program("?kprobe/x", KILLS))
    check([reads(programs=left_out)], Pins(), "--read-only")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"programs": (program("xdp"),)}, "program 'p' can change packets"),
        (
            {"programs": (program("raw_tp"), program("raw_tp", KILLS, name="k\x1b"))},
            "program 'k\\x1b' can change signals to processes",
        ),
        (
            {"programs": (program("lsm/file_open", KILLS),)},
            "program 'p' can change permissions, signals to processes",
        ),
        (
            {"maps": (MapSpec("own", ".maps", MapType.HASH, 4, 4, 1, pinning=1),)},
            "program 'p' can change map pinned at /sys/fs/bpf/own",
        ),
        (
            {"maps": (MapSpec("own", ".maps", MapType.SOCKMAP, 4, 4, 1),)},
            "program 'p' can change sockets",
        ),
        (
            {"maps": (MapSpec("ops", ".struct_ops", MapType.STRUCT_OPS),)},
            "map 'ops' can change kernel operations",
        ),
    ],
)
def test_what_changes_more_is_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(UntrustedImage) as caught:
        check([reads(), reads(**changed)], Pins(), "policy.toml: read-only")
    assert str(caught.value) == f"{spec().name}: policy.toml: read-only: {why}"


def test_all_bundled_images_but_one_change_nothing() -> None:
    store = bundled_store()
    refused = []
    for name in store.names():
        try:
            check(parse_all(store.get(name)), Pins(), "--read-only")
        except UntrustedImage:
            refused.append(name)
    assert refused == ["xdpcount"]


def test_a_map_that_the_user_pins_is_not_the_programs_own() -> None:
    with pytest.raises(UntrustedImage, match="'p' can change map pinned at /sys/fs/bpf/x/own"):
        check([reads()], Pins(maps="/sys/fs/bpf/x"), "--read-only")
