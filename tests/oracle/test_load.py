"""What libbpf loads on this kernel we load, as equal instructions; what it refuses, we refuse.

We accept more in the cases of ``outcome.MORE``, and in those of ``convention.plain``: bee's
conventions are taken out before libbpf is asked.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.oracle import libbpf, newest, objects
from tests.oracle.comparison import Families
from tests.oracle.convention import plain
from tests.oracle.outcome import Table, pins

LOADED = 32  # of Debian's, where fentry and LSM programs are not there; more load where they are

REFUSED: Mapping[str, str] = {
    "core_reached": "prog 'reached': failed to load: -EINVAL",
    "core_stores": "prog 'stores': failed to load: -EACCES",
    "core_stores_v4": "prog 'stores': failed to load: -EACCES",
    "exporter": "failed to guess program type from ELF section 'perf_event/type=1,",
    "freplace": "prog 'other': failed to load: -EINVAL",  # it is told of no program to attach to
    "gadget_snap": "struct gadget_socket_value.pid_tgid",  # of no kernel
    "gadget_trace": "failed to guess program type from ELF section 'perf_event/sampler'",
    "iter": "prog 'elements': failed to prepare load attributes: -ESRCH",
    "ksyms": "failed to find BTF for extern 'bpf_task_acquire'",  # clang 11 makes none
    "ksyms_variable": "prog 'variable': failed to load: -ENOENT",
    "legacy_maps": "legacy map definitions in 'maps' section are not supported",
    "lengths": "map 'print_perf': failed to create: -EINVAL",
    "lirc": "prog 'on_pulse': failed to load: -EINVAL",  # no CONFIG_BPF_LIRC_MODE2
    "maps_absent": "map 'absent': failed to create: -EINVAL",
    "missing": "prog 'no_type': failed to prepare load attributes: -ESRCH",
    "overflow": "map 'print_perf': failed to create: -EINVAL",
    "perfbuf": "map 'print_events': failed to create: -EINVAL",
    "prefixes": "failed to guess program type from ELF section 'socket1'",
    "prints": "failed to find BTF for extern 'bpf_stream_vprintk_impl'",  # clang 11 makes none
    "static_programs": "program 'on_exit' is static and not supported",
    "struct_ops": "prog 'unused': SEC(\"struct_ops\") program isn't referenced anywhere",
}
"""libbpf's messages about our objects that it does not load.

Other tests are about err_* and core_refused_*.
"""

NOT_ALLOWED = (
    "': failed to load: -EPERM"  # some kernels let nobody load programs for functions and LSM hooks
)


def test_load(family: str, compared: Families, capsys: pytest.CaptureFixture[str]) -> None:
    with pins() as folder:
        table = Table(folder)
        for one in compared[family]:
            table.add(one)
    with capsys.disabled():
        print("", *table.lines, f"{family}: {table.sum()}", sep="\n")
    assert not table.wrong, "\n".join(table.wrong)


def test_enough_loaded(compared: Families) -> None:
    if lacking := objects.missing(objects.DEBIAN):
        pytest.skip(lacking)
    assert sum(one.verdict.loaded for one in compared[objects.DEBIAN]) >= LOADED


def test_libbpf_loads_ours(clang: str, compared: Families) -> None:
    """Our objects load, or REFUSED has the reason why they do not on this kernel."""
    for one in compared[clang]:
        name = one.object.name
        if not one.verdict.loaded and not name.startswith(
            ("core_refused_", "core_ambiguous", "err_")
        ):
            assert REFUSED.get(name, NOT_ALLOWED) in one.verdict.log, one.object


def test_the_verifier_refuses(clang: str, compared: Families) -> None:
    """libbpf gives err_* to the kernel, and its verifier names the source line."""
    met = 0
    for one in compared[clang]:
        if (name := one.object.name).startswith("err_"):
            assert one.verdict.refused == name
            assert f"prog '{name}': -- BEGIN PROG LOAD LOG --" in one.verdict.log
            assert f"{name}.bpf.c:" in one.verdict.log
            met += 1
    assert met >= 5


def test_what_is_taken_out_before_libbpf_is_asked(
    clang: str, compared: Families, tmp_path: Path
) -> None:
    """libbpf refuses both of bee's conventions: sections .maps.*, and ring buffers with a type."""
    named = 0
    for one in compared[clang]:
        data = one.object.path.read_bytes()
        if plain(data) == data or not one.verdict.loaded:
            continue
        given = tmp_path / one.object.path.name
        given.write_bytes(data)
        log = libbpf.load(newest.bpftool(), given).log
        section = b".maps." in data
        told = (
            r"bad map relo against '\w+' in section '\.maps\.\w+'"
            if section
            else r"map '\w+': failed to create: -E"
        )
        assert re.search(told, log), (one.object, log)
        named += section
    assert named
