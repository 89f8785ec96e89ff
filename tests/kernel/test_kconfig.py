"""Programs read options of the kernel configuration (__kconfig)."""

import os
import shutil
from pathlib import Path

import pytest

from beepy.check.check import ERROR, check
from beepy.collection.externs import with_kconfig
from beepy.collection.load import load
from beepy.errors import KernelError, RelocationError
from beepy.host import kconfig
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from bpf import build


@pytest.fixture(scope="module", params=["clang-14", "clang-19"])
def spec(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> CollectionSpec:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    objects = build.objects(tmp_path_factory.mktemp("kconfig"), request.param, ("kconfig_options",))
    return parse(objects["kconfig_options"].read_bytes(), "kconfig_options")


def test_programs_read_the_values_of_the_running_kernel(spec: CollectionSpec) -> None:
    options = kconfig.options()
    with load(spec) as collection:
        assert collection.programs["tell"].run().retval == 0
        contents = collection.maps[".bss"].lookup(bytes(4))
    assert contents
    values = {
        variable.name: contents[variable.offset : variable.offset + variable.size]
        for variable in spec.variables
        if variable.map == ".bss"
    }
    assert int.from_bytes(values["hz"], "little") == int(options["CONFIG_HZ"])
    hostname = values["hostname"].rstrip(b"\0").decode()
    assert hostname == options["CONFIG_DEFAULT_HOSTNAME"].strip('"')


def test_a_strong_option_that_is_not_set_is_an_error(spec: CollectionSpec) -> None:
    strong = spec._replace(externs=tuple(extern._replace(weak=False) for extern in spec.externs))
    with pytest.raises(
        RelocationError, match="'CONFIG_NO_SUCH_OPTION': the kernel's configuration does not set it"
    ):
        with_kconfig(strong)


def test_weak_options_without_a_configuration_are_an_error(
    spec: CollectionSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a container: libbpf fails too; load and check give the same message."""
    monkeypatch.setattr(kconfig, "_PATHS", (f"{tmp_path}/config-{{}}",))
    kconfig.options.cache_clear()
    weak = spec._replace(externs=tuple(extern._replace(weak=True) for extern in spec.externs))
    why = f"kernel configuration: none of {tmp_path}/config-{os.uname().release} can be read"
    with pytest.raises(KernelError) as caught:
        load(weak)
    assert str(caught.value) == why
    checked = check(weak)
    assert [finding.text for finding in checked.findings if finding.level == ERROR] == [why]
    assert not checked.runs


def test_an_option_whose_type_does_not_fit_is_an_error(spec: CollectionSpec) -> None:
    kinds = {var.name: var.type for var in spec.variables if var.map == ".kconfig"}
    wrong = tuple(
        var._replace(type=kinds["CONFIG_BPF_SYSCALL"]) if var.name == "CONFIG_HZ" else var
        for var in spec.variables
    )
    with pytest.raises(
        RelocationError, match="'CONFIG_HZ': its type does not fit the option's value"
    ):
        with_kconfig(spec._replace(variables=wrong))
