"""``--missing``: programs with missing attach points; ``--btf``: the kernel's types from a file."""

import json
import re
from pathlib import Path
from urllib.request import urlopen

import pytest

from beepy.btf.writer import BtfWriter
from beepy.collection.load import load
from beepy.errors import AttachError, NotSupported
from beepy.source import parse
from tests.kernel.conftest import ObjectOf
from tests.support.command import Beepy
from tests.support.trigger import trigger

pytestmark = pytest.mark.kernel

LACKING = {
    "no_tracepoint": "tracepoint syscalls/sys_enter_beepy: not found in this kernel",
    "no_raw_tracepoint": "no_such_tracepoint",
    "no_type": "this kernel has no 'btf_trace_no_such_tracepoint'",
}


def test_by_default_a_missing_attach_point_is_an_error(object_of: ObjectOf) -> None:
    spec = parse(Path(object_of("missing")).read_bytes(), name="missing")
    with pytest.raises(NotSupported, match=re.escape(LACKING["no_type"])):
        load(spec)
    others = [program for program in spec.programs if program.name != "no_type"]
    with (
        load(spec._replace(programs=tuple(others))) as collection,
        pytest.raises(AttachError, match=re.escape(LACKING["no_tracepoint"])),
    ):
        collection.attach()


def test_the_other_programs_are_attached(object_of: ObjectOf) -> None:
    spec = parse(Path(object_of("missing")).read_bytes(), name="missing")
    with load(spec, missing="skip") as collection:
        assert set(collection.skipped.reasons) == {"no_type"}
        collection.attach()
        assert collection.skipped.reasons.keys() == LACKING.keys()
        assert all(text in collection.skipped.reasons[name] for name, text in LACKING.items())
        assert len(collection.links) == 1


def test_a_run_warns_of_skipped_programs(beepy: Beepy, object_of: ObjectOf) -> None:
    arguments = (
        "-v",
        "run",
        object_of("missing"),
        "-o",
        "json",
        "--missing",
        "skip",
        "--prom-port",
        "0",
    )
    with beepy.start(*arguments) as running:
        running.until_attached()
        trigger(1, 42)
        running.until(lambda: running.out.count(b"\n") == 1)
        with urlopen(running.metrics()) as page:
            metrics = page.read().decode()
        done = running.end()
    assert done.code == 0
    assert json.loads(done.out)["number"] == 42
    for name in LACKING:
        assert (
            sum(line.startswith(f"warning: program '{name}': skipped: ") for line in done.said) == 1
        )
        assert f'program="{name}"}} 1.0' in metrics
    assert metrics.count("\nbeepy_programs_skipped{") == len(LACKING)
    assert re.search(r"beepy: 1 shown, 0 filtered, 3 programs left out, ", done.said[-1])


def test_skipping_every_program_is_an_error(beepy: Beepy, compiled: ObjectOf) -> None:
    path = compiled(
        """
#include "test/trigger.h"
SEC("tracepoint/none/none")
int alone(void *ctx)
{
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""
    )
    done = beepy("run", path, "--missing", "skip")
    assert done.code == 1
    assert (
        "beepy: nothing is attached: this kernel lacks what every program attaches to" in done.said
    )


def test_relocations_use_the_types_of_a_file(beepy: Beepy, tmp_path: Path) -> None:
    writer = BtfWriter()
    writer.struct("task_struct", 8)
    path = tmp_path / "other.btf"
    path.write_bytes(writer.data())
    done = beepy("run", "exitsnoop", "--btf", str(path), "--count", "1")
    assert done.code == 1
    assert "this kernel's types have no match" in done.err
    done = beepy("run", "exitsnoop", "--btf", str(tmp_path / "absent"))
    assert (done.code, done.said[0]) == (
        1,
        f"beepy: {tmp_path}/absent: no such file or directory (ENOENT)",
    )
    done = beepy(
        "run", "exitsnoop", "--btf", "/sys/kernel/btf/vmlinux", "--timeout", "10ms", "--no-metrics"
    )
    assert done.code == 0


def test_programs_that_an_images_own_runner_goes_without(object_of: ObjectOf) -> None:
    spec = parse(Path(object_of("missing")).read_bytes(), name="missing")
    with load(spec._replace(optional=frozenset(LACKING))) as collection:
        collection.attach()
        assert collection.skipped.reasons.keys() == LACKING.keys()
    one = spec._replace(optional=frozenset({"no_tracepoint"}))
    with pytest.raises(NotSupported, match=re.escape(LACKING["no_type"])):
        load(one)
    with pytest.raises(NotSupported, match=re.escape(LACKING["no_type"])):
        load(spec._replace(optional=frozenset(LACKING)), missing="fail")
