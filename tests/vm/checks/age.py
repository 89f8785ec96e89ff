"""The age of a kernel: what it lacks, the messages about that, and the fallbacks."""

import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

from beepy import maps, since
from beepy.analysis.requirements import of_collection
from beepy.btf import downgrade
from beepy.btf.btf import Btf
from beepy.check.check import check
from beepy.collection import refusals
from beepy.collection.load import load
from beepy.errors import KernelError, NotSupported, VerifierError
from beepy.host import btf_file
from beepy.host.machine import release
from beepy.kernel import btf, features, probes, samples
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CollectionSpec, MapSpec, ProgramSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from beepy.uapi import HELPERS, MapType, ProgType
from tests.support import ages
from tests.support.types import everything
from tests.vm.checks.check import YES, Check, failure
from tests.vm.checks.command import Run

_THIS: Final = ".".join(map(str, release()))
_LOOP: Final = HELPERS.index("loop")
_TYPES: Final = "/sys/kernel/btf"


def tables() -> str:
    """Compare the releases in beepy.since with the kernel's own lists."""
    wrong = list(ages.wrong())
    assert not wrong, wrong
    return YES


def types_of_maps_and_programs() -> str:
    """Probe for every type: listed but missing ones are disabled in the kernel's configuration."""
    lacking = []
    for kind, prefix, has in (
        (MapType, "BPF_MAP_TYPE_", features.has_map_type),
        (ProgType, "BPF_PROG_TYPE_", features.has_prog_type),
    ):
        listed = ages.known(f"bpf_{'map' if kind is MapType else 'prog'}_type")
        for one in list(kind)[1:]:
            there = has(one)
            assert not there or f"{prefix}{one.name}" in listed, one
            if f"{prefix}{one.name}" in listed and not there:
                lacking.append(one.name)
    return f"all but {', '.join(lacking)}" if lacking else "all"


def probed() -> str:
    """Probe every feature: a kernel has all that are older than itself; others were backported."""
    missing, carried_back = [], []
    for feature in probes.PROBES:
        new_enough = release()[:2] >= since.order(feature.since)
        if new_enough and not features.has(feature):
            missing.append(feature.name)
        if not new_enough and features.has(feature):
            carried_back.append(feature.name)
    assert not missing, missing
    return f"carried back: {', '.join(carried_back)}" if carried_back else "as released"


def types() -> str:
    """Load all kinds of types, without those that the kernel refuses, and without others."""
    refused = {feature for feature in downgrade.FEATURES if not features.has(feature)}
    newest = sorted(
        downgrade.FEATURES, key=lambda feature: since.order(feature.since), reverse=True
    )
    for count in range(len(refused), len(newest) + 1):
        btf.load(downgrade.downgraded(everything(), {*refused, *newest[:count]}).data).close()
    return f"{len(refused)} refused"


def missing_helper() -> str:
    """Call bpf_loop."""
    insns = (Insn(op.CALL, imm=_LOOP), Insn(0xB7), Insn(op.EXIT))
    program = ProgramSpec("one", "raw_tp/sys_enter", insns, (), (), (), (), (("one", 0),))
    spec = CollectionSpec("x", "GPL", (program,), (), (), (), None)
    told = str(failure(VerifierError, partial(load, spec)))
    if release() >= (5, 17, 0):
        assert "helper" not in told.rpartition(": ")[2], told
        return "there"
    assert told.endswith(f": helper loop: since 5.17, this kernel is {_THIS}"), told
    return told.rpartition(": helper ")[2]


def missing_map_type() -> str:
    """Create a map of every type that the kernel does not list."""
    listed = ages.known("bpf_map_type")
    newer = [one for one in MapType if one and f"BPF_MAP_TYPE_{one.name}" not in listed]
    for one in newer:
        spec = MapSpec(
            "m", ".maps", one, *samples.sample(one)[:3], flags=samples.sample(one).map_flags
        )
        error = failure(KernelError, partial(maps.create, spec, None))
        told = refusals.explain_map(error, spec)
        assert isinstance(told, NotSupported), told
        expected = (
            f"map 'm': type {one.name.lower()}: since {since.map_type(one)}, this kernel is {_THIS}"
        )
        assert str(told) == expected, told
    return f"{len(newer)} types" if newer else "none"


def checked() -> str:
    """Check every bundled image: each runs, unless the kernel lacks one of its attach points."""
    said = {}
    for name in bundled_store().names():
        spec = parse(bundled_store().get(name))
        found = check(spec)
        lowest, _ = of_collection(spec)
        assert since.order(lowest.kernel) <= release()[:2]
        assert all(one.skipped for one in found.findings if one.level == "error"), (
            name,
            found.findings,
        )
        if not found.runs:
            said[name] = found.findings[0].text
    return f"{said}" if said else "all run"


def skipped() -> str:
    """Run what can be attached of an object, by the command."""
    with Run("/objects/missing.o", "-o", "json", "-v", "--missing", "skip", "--no-metrics") as run:
        run.attached(1)
    assert run.told.count(": skipped: ") == 3, run.told
    assert "3 programs left out" in run.told
    return YES


def elsewhere() -> str:
    """Hide the kernel's types: they are found in /boot, or nowhere."""
    data = Path(_TYPES, "vmlinux").read_bytes()
    place = Path(f"/boot/vmlinux-{os.uname().release}")
    assert btf_file.search() is None
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", _TYPES], check=True)
    try:
        spec = parse(bundled_store().get("exitsnoop"))
        failure(NotSupported, partial(load, spec))
        with load(spec, btf=Btf(data, name="given")):
            pass
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        with load(spec):
            pass
    finally:
        place.unlink(missing_ok=True)
        subprocess.run(["umount", _TYPES], check=True)
    return YES


CHECKS: Final = (
    Check("ages of helpers and types", tables),
    Check("types of maps, programs", types_of_maps_and_programs),
    Check("features", probed),
    Check("types downgraded", types),
    Check("missing helper", missing_helper),
    Check("missing map type", missing_map_type),
    Check("describe --check", checked),
    Check("--missing skip", skipped, ("missing",)),
    Check("kernel types elsewhere", elsewhere),
)
