"""What libbpf loads on this kernel loads with us, as the same instructions; what it refuses, we refuse.

We accept more in the cases of MORE, and in those of ``convention.plain``, which are taken out before libbpf is asked.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from beepy.collection.load import load
from beepy.errors import BeepyError, RelocationError
from beepy.kernel.program import Program
from tests.oracle import libbpf, newest, objects
from tests.oracle.comparison import Compared, Families
from tests.oracle.convention import plain
from tests.oracle.libbpf import Verdict

LOADED = 32  # of Debian's, where fentry and LSM programs are not there; more load where they are

MORE: Mapping[str, str] = {
    r"^libbpf: elf: legacy map definitions in 'maps' section are not supported": 'SEC("maps"): libbpf until 1.0',
    r"^libbpf: map 'print_events': failed to create: -EINVAL$": "a perf buffer that tells of what type its records are",
    r"^libbpf: prog '\w+': SEC\(\"struct_ops\"\) program isn't referenced anywhere": "an operation that no map names",
    r"^libbpf: prog 'elements': failed to prepare load attributes: -ESRCH$": "SEC(iter/bpf_map_elem/MAP)",
}
"""What libbpf says of the objects that only we load, and what they hold."""

REFUSED: Mapping[str, str] = {
    "core_reached": "prog 'reached': failed to load: -EINVAL",
    "core_stores": "prog 'stores': failed to load: -EACCES",
    "core_stores_v4": "prog 'stores': failed to load: -EACCES",
    "freplace": "prog 'other': failed to load: -EINVAL",  # it is told of no program to attach to
    "iter": "prog 'elements': failed to prepare load attributes: -ESRCH",
    "ksyms": "failed to find BTF for extern 'bpf_task_acquire'",  # clang 11 makes none
    "ksyms_variable": "prog 'variable': failed to load: -ENOENT",
    "legacy_maps": "legacy map definitions in 'maps' section are not supported",
    "lirc": "prog 'on_pulse': failed to load: -EINVAL",  # no CONFIG_BPF_LIRC_MODE2
    "maps_absent": "map 'absent': failed to create: -EINVAL",
    "missing": "prog 'no_type': failed to prepare load attributes: -ESRCH",
    "perfbuf": "map 'print_events': failed to create: -EINVAL",
    "struct_ops": "prog 'unused': SEC(\"struct_ops\") program isn't referenced anywhere",
}
"""What libbpf may say of those of ours that it does not load here; of err_* and core_refused_* other tests tell."""

NOT_ALLOWED = "': failed to load: -EPERM"  # some kernels let nobody load programs for functions and LSM hooks

_TAG = re.compile(r"^prog_tag:\t([0-9a-f]+)$", re.MULTILINE)
_ROW = "{:45} {:10} {:10} {:>9} {:>8}  {}"


class Outcome(NamedTuple):
    """``word`` is loaded, refused, or relocation (refused by a RelocationError); ``tags`` as ``Verdict.tags``."""

    word: str
    tags: dict[str, str]
    message: str


def ours(one: Compared) -> Outcome:
    if one.spec is None:
        return Outcome("refused", {}, one.why)
    try:
        with load(one.spec) as collection:
            return Outcome("loaded", {name: tag(program) for name, program in collection.programs.items()}, "")
    except BeepyError as error:
        word = "relocation" if isinstance(error, RelocationError) else "refused"
        return Outcome(word, {}, f"{type(error).__name__}: {error}")


def tag(program: Program) -> str:
    """Return the kernel's hash of a program's instructions."""
    found = _TAG.search(Path(f"/proc/self/fdinfo/{program.fd.fileno()}").read_text())
    assert found
    return found[1]


def theirs(verdict: Verdict) -> str:
    if verdict.loaded:
        return "loaded"
    return "relocation" if verdict.failed else "refused"


def more(verdict: Verdict) -> str:
    """Return what libbpf refuses and we do not, "" if it should be refused."""
    return next((why for told, why in MORE.items() if re.search(told, verdict.log, re.MULTILINE)), "")


def agree(verdict: Verdict, got: Outcome) -> bool:
    """Tell whether both say the same: of every program's instructions, or what program or map the kernel refuses.

    What this kernel lacks we tell before it is asked to take anything, libbpf just before it loads that program.
    """
    if verdict.loaded:
        return got.word == "loaded" and all(got.tags.get(name) == tag for name, tag in verdict.tags.items())
    if verdict.failed:
        return got.word == "relocation"
    if got.word == "loaded":
        return bool(more(verdict))
    asked = got.message.startswith(("VerifierError: ", "KernelError: "))
    return f"'{verdict.refused}'" in got.message or not (verdict.refused and asked)


def test_load(family: str, compared: Families, capsys: pytest.CaptureFixture[str]) -> None:
    table = [_ROW.format("object", "libbpf", "ours", "decisions", "programs", "why")]
    wrong = []
    for one in compared[family]:
        got, tags = ours(one), one.verdict.tags
        same = sum(got.tags.get(name) == tag for name, tag in tags.items())
        decisions = f"{one.equal}/{len(one.verdict.decisions)}"
        why = more(one.verdict) if got.word == "loaded" and not one.verdict.loaded else got.message
        row = (str(one.object), theirs(one.verdict), got.word, decisions, f"{same}/{len(tags)}", why[:100])
        table.append(_ROW.format(*row).rstrip())
        if not agree(one.verdict, got):
            wrong.append(table[-1])
    equal, told = (
        sum(numbers)
        for numbers in zip(*[(one.equal, len(one.verdict.decisions)) for one in compared[family]], strict=True)
    )
    table.append(f"{family}: {len(table) - 1} objects, {equal} of {told} decisions equal")
    with capsys.disabled():
        print("", *table, sep="\n")
    assert not wrong, "\n".join(wrong)


def test_enough_loaded(compared: Families) -> None:
    if lacking := objects.missing(objects.DEBIAN):
        pytest.skip(lacking)
    assert sum(one.verdict.loaded for one in compared[objects.DEBIAN]) >= LOADED


def test_libbpf_loads_ours(clang: str, compared: Families) -> None:
    """What we wrote to be loaded is, or REFUSED tells why not here."""
    for one in compared[clang]:
        name = one.object.name
        if not one.verdict.loaded and not name.startswith(("core_refused_", "core_ambiguous", "err_")):
            assert REFUSED.get(name, NOT_ALLOWED) in one.verdict.log, one.object


def test_the_verifier_refuses(clang: str, compared: Families) -> None:
    """libbpf gives err_* to the kernel, whose verifier says where in the source it stands."""
    met = 0
    for one in compared[clang]:
        if (name := one.object.name).startswith("err_"):
            assert one.verdict.refused == name
            assert f"prog '{name}': -- BEGIN PROG LOAD LOG --" in one.verdict.log
            assert f"{name}.bpf.c:" in one.verdict.log
            met += 1
    assert met >= 5


def test_what_is_taken_out_before_libbpf_is_asked(clang: str, compared: Families, tmp_path: Path) -> None:
    """libbpf refuses each of bee's two conventions: sections .maps.*, and ring buffers of a type."""
    named = 0
    for one in compared[clang]:
        data = one.object.path.read_bytes()
        if plain(data) == data or not one.verdict.loaded:
            continue
        given = tmp_path / one.object.path.name
        given.write_bytes(data)
        log = libbpf.load(newest.bpftool(), given).log
        section = b".maps." in data
        told = r"bad map relo against '\w+' in section '\.maps\.\w+'" if section else r"map '\w+': failed to create: -E"
        assert re.search(told, log), (one.object, log)
        named += section
    assert named
