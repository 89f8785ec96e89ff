"""``describe`` every compiled object; what it shows of programs and maps is what is loaded."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from beepy import inspection
from beepy.analysis.describe import describe
from beepy.cli import description
from beepy.collection.load import load
from beepy.errors import BeepyError
from beepy.oci import lookup
from beepy.source import parse
from beepy.uapi import MapType
from bpf import build
from tests.kernel.conftest import ObjectOf
from tests.support import compiled
from tests.support.command import Beepy

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return compiled.objects(tmp_path_factory.mktemp("all"))


@pytest.mark.parametrize("name", build.sources())
def test_every_source(objects: dict[str, Path], name: str) -> None:
    path = str(objects[name])
    image = lookup.find(path, lookup.Options(pull="never"))
    spec = parse(image)
    one = describe(image, spec, relocations=True)
    found = json.loads(description.as_json([one]))
    assert (found["name"], found["format"], found["size"]) == (path, "elf", len(image.programs[0]))
    assert len(found["relocations"]) == sum(len(program.core) for program in spec.programs)
    assert all(record["access"] and record["kind"] for record in found["relocations"])
    assert describe(image, spec) == one._replace(relocations=())
    Draft202012Validator.check_schema(inspection.json_schema(image))
    shown = "\n".join(description.as_text(one))
    assert all(f"\nprogram {program['name']}\n" in shown for program in found["programs"])
    assert all(f"\nmap {each['name']}\n" in shown for each in found["maps"])
    try:
        collection = load(spec)
    except BeepyError:  # the verifier's part, or this kernel's
        return
    with collection:
        assert set(collection.programs) <= {
            program["name"] for program in found["programs"] if program["autoload"]
        }
        for each in found["maps"]:
            assert collection.maps[each["name"]].type == MapType[each["type"].upper()]


@pytest.mark.parametrize("flags", [(), ("--relocations",)])
def test_the_command_prints_it(beepy: Beepy, object_of: ObjectOf, flags: tuple[str, ...]) -> None:
    path = object_of("core_fields")
    image = lookup.find(path, lookup.Options(pull="never"))
    one = describe(image, parse(image), relocations=bool(flags))
    assert bool(one.relocations) == bool(flags)
    done = beepy("describe", path, "-o", "json", *flags)
    assert (done.code, done.err) == (0, "")
    told, found = json.loads(description.as_json([one])), json.loads(done.out)
    for name in ("name", "digest", "programs", "maps", "variables", "externs", "relocations"):
        assert found[name] == told[name]
    done = beepy("describe", path, *flags)
    assert (done.code, done.err) == (0, "")
    assert ("\nrelocations\n" in done.out) == bool(flags)
    assert all(f"\nprogram {program.name}\n" in done.out for program in one.programs)


def test_the_text_of_what_a_metric_is_made_of(beepy: Beepy, object_of: ObjectOf) -> None:
    lines = beepy("describe", object_of("counter_hash")).out.splitlines()
    for line in (
        "program add",
        "  section       tracepoint/syscalls/sys_enter_prctl",
        (
            "  helpers       get_current_pid_tgid, get_current_comm, map_delete_elem, "
            "map_update_elem, map_lookup_elem"
        ),
        "map counter_calls",
        "  type     hash",
        "  sizes    key 20, value 8 bytes, 1024 entries",
        "  role     counter",
        "  metric   ebpf_solo_io_counter_calls{comm,pid}",
        "    pid    u32       4 bytes at 0   key",
        "    comm   char[16]  16 bytes at 4  key",
        "    value  u64       8 bytes at 0   value",
    ):
        assert line in lines


def test_the_text_of_slots_externs_and_bitfields(beepy: Beepy, object_of: ObjectOf) -> None:
    assert (
        "externs  LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE, LINUX_HAS_SYSCALL_WRAPPER"
        in beepy("describe", object_of("kconfig")).out.splitlines()
    )
    assert "  type     array_of_maps" in beepy("describe", object_of("slots")).out.splitlines()
    fields = [
        line.split("  ") for line in beepy("describe", object_of("everything")).out.splitlines()
    ]
    found = {field[2].strip(): "  ".join(field[3:]).split() for field in fields if len(field) > 3}
    assert found["bit_three"] == ["u32", "bits", "2305..2307", "record"]
    assert found["named.x"] == ["s16", "2", "bytes", "at", "216", "record"]


def test_the_text_of_sections_that_are_not_attached(beepy: Beepy, compiled: ObjectOf) -> None:
    text = (
        '#include "include/core.h"\n'
        'SEC("%s") int it(void *ctx) { return 0; }\n'
        'char L[] SEC("license") = "GPL";'
    )
    told = {
        "nobody/knows": "nobody/knows (unknown section)",
        "?raw_tp/sched_process_exit": "?raw_tp/sched_process_exit (not loaded by default)",
    }
    for section, shown in told.items():
        lines = beepy("describe", compiled(text % section)).out.splitlines()
        assert f"  section       {shown}" in lines
