"""Kernel symbols: by address, as kfuncs, weak, and refused."""

import os
import shutil
from pathlib import Path

import pytest

from beepy.collection import ksyms
from beepy.collection.load import load
from beepy.errors import RelocationError, VerifierError
from beepy.host import machine
from beepy.kernel import btf
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from bpf import build
from tests.kernel.conftest import ObjectOf
from tests.support import child


@pytest.fixture(scope="module", params=["clang-14", "clang-19"])
def objects(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return build.objects(
        tmp_path_factory.mktemp("ksyms"), request.param, ("ksyms", "ksyms_variable")
    )


def parsed(objects: dict[str, Path], name: str) -> CollectionSpec:
    return parse(objects[name].read_bytes(), name)


def globals_of(spec: CollectionSpec, contents: bytes) -> dict[str, int]:
    return {
        variable.name: int.from_bytes(
            contents[variable.offset : variable.offset + variable.size], "little"
        )
        for variable in spec.variables
        if variable.map == ".bss"
    }


def test_programs_use_kernel_symbols(objects: dict[str, Path]) -> None:
    spec = parsed(objects, "ksyms")
    with load(spec) as collection:
        collection.attach()
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        collection.detach()
        contents = collection.maps[".bss"].lookup(bytes(4))
    assert contents
    seen = globals_of(spec, contents)
    assert {seen["address"]} == machine.kernel_addresses(["tcp_v4_connect"])["tcp_v4_connect"]
    assert seen["missing"] == 0
    assert seen["acquired"] == seen["released"] > 0


def test_resolved_symbols(objects: dict[str, Path]) -> None:
    symbols = ksyms.resolve(parsed(objects, "ksyms"))
    assert symbols["no_such_symbol"] == ksyms.KernelSymbol(function=False, number=4)
    assert symbols["no_such_kfunc"] == ksyms.KernelSymbol(function=True, number=3)
    # It has another prototype.
    assert symbols["bpf_task_acquire___other"] == ksyms.KernelSymbol(function=True, number=1)
    assert symbols["bpf_task_acquire"].type
    assert not symbols["bpf_task_acquire"].module


def test_a_variable_by_its_type(objects: dict[str, Path]) -> None:
    """kallsyms has data symbols only with CONFIG_KALLSYMS_ALL."""
    spec = parsed(objects, "ksyms_variable")
    if machine.kernel_addresses(["bpf_prog_active"]):
        load(spec).close()
    else:
        with pytest.raises(
            VerifierError, match="failed to find the address for kernel symbol 'bpf_prog_active'"
        ):
            load(spec)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_symbol", "not found in this kernel"),
        ("no_such_kfunc", "neither vmlinux nor a loaded module has it"),
        ("no_such_variable", "neither vmlinux nor a loaded module has it"),
    ],
)
def test_a_strong_symbol_that_is_missing(objects: dict[str, Path], name: str, why: str) -> None:
    spec = parsed(objects, "ksyms")
    (strong,) = (extern for extern in spec.externs if extern.name == name)
    with pytest.raises(RelocationError, match=f"^ksyms: kernel symbol '{name}': {why}$"):
        load(spec._replace(externs=(strong._replace(weak=False),)))


def test_a_kfunc_of_a_module_that_is_not_loaded(objects: dict[str, Path]) -> None:
    spec = parsed(objects, "ksyms")
    (strong,) = (extern for extern in spec.externs if extern.name == "no_such_kfunc")
    there = list(btf.candidates())
    name, module = next(
        (name, module)
        for module, names in ksyms._MODULES.items()
        for name in names.split()
        if not machine.is_loaded(module) and not any(types.named(name) for types in there)
    )
    with pytest.raises(RelocationError) as caught:
        ksyms.resolve(spec._replace(externs=(strong._replace(name=name, weak=False),)))
    assert (
        str(caught.value)
        == f"ksyms: kernel symbol '{name}': it is in module {module}, which is not loaded"
    )
    assert caught.value.__notes__ == [f"modprobe {module}"]


def test_a_symbol_of_another_type(objects: dict[str, Path]) -> None:
    spec = parsed(objects, "ksyms")
    other = next(extern for extern in spec.externs if extern.name == "bpf_task_acquire___other")
    with pytest.raises(
        RelocationError, match="'bpf_task_acquire___other': has another type in vmlinux"
    ):
        ksyms.resolve(spec._replace(externs=(other._replace(weak=False),)))


LISTED = """
import subprocess, sys, tempfile
from pathlib import Path
from beepy.collection import ksyms
from beepy.errors import RelocationError
from beepy.obj.parse import parse

with tempfile.NamedTemporaryFile("w") as file:
    file.write({listed!r})
    file.flush()
    subprocess.run(["mount", "--bind", file.name, "/proc/kallsyms"], check=True)
    try:
        print(ksyms.resolve(parse(Path({path!r}).read_bytes(), "zero")))
    except RelocationError as error:
        print(error)
"""
"""How a listing of the kernel's symbols is read, from a file of the test."""

ZERO = """
#include "test/check.h"
extern const void __per_cpu_start __ksym;
u64 start;
SEC("raw_tp/sys_enter")
int look(void *ctx)
{
	start = (u64)&__per_cpu_start;
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        (
            "ffffffff81000000 T _text",
            "{'__per_cpu_start': KernelSymbol(function=False, address=0, type=0, module=''",
        ),
        (
            "0000000000000000 T _text",
            "zero: kernel symbol '__per_cpu_start': /proc/kallsyms hides its address: ",
        ),
    ],
)
def test_a_symbol_at_address_0(compiled: ObjectOf, beside: str, expected: str) -> None:
    """x86-64 before v6.15 has per-CPU symbols there; addresses are hidden only if all are 0."""
    listed = f"0000000000000000 A fixed_percpu_data\n0000000000000000 A __per_cpu_start\n{beside}\n"
    code = LISTED.format(listed=listed, path=compiled(ZERO))
    assert child.run(code, mounts=True).startswith(expected)


def test_the_kernel_accepts_the_types(
    objects: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with load(parsed(objects, "ksyms")):
        assert not caplog.records
