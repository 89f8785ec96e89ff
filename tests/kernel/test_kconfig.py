"""Options of the kernel's configuration, as programs see them."""

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
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CollectionSpec:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    made = build.objects(tmp_path_factory.mktemp("kconfig"), request.param, ("kconfig_options",))
    return parse(made["kconfig_options"].read_bytes(), "kconfig_options")


def test_programs_see_them(spec: CollectionSpec) -> None:
    options = kconfig.options()
    with load(spec) as collection:
        assert collection.programs["tell"].run().retval == 0
        contents = collection.maps[".bss"].lookup(bytes(4))
    assert contents
    place = {one.name: contents[one.offset : one.offset + one.size] for one in spec.variables if one.map == ".bss"}
    assert int.from_bytes(place["hz"], "little") == int(options["CONFIG_HZ"])
    assert place["hostname"].rstrip(b"\0").decode() == options["CONFIG_DEFAULT_HOSTNAME"].strip('"')


def test_a_strong_option_that_is_not_set(spec: CollectionSpec) -> None:
    strong = spec._replace(externs=tuple(extern._replace(weak=False) for extern in spec.externs))
    with pytest.raises(RelocationError, match="'CONFIG_NO_SUCH_OPTION': the kernel's configuration does not set it"):
        with_kconfig(strong)


def test_weak_options_where_no_configuration_can_be_read(
    spec: CollectionSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a container: libbpf fails too, and a run and a check say the same."""
    monkeypatch.setattr(kconfig, "_PLACES", (f"{tmp_path}/config-{{}}",))
    kconfig.options.cache_clear()
    weak = spec._replace(externs=tuple(extern._replace(weak=True) for extern in spec.externs))
    why = f"kernel configuration: none of {tmp_path}/config-{os.uname().release} can be read"
    with pytest.raises(KernelError) as caught:
        load(weak)
    assert str(caught.value) == why
    checked = check(weak)
    assert [one.text for one in checked.findings if one.level == ERROR] == [why]
    assert not checked.runs


def test_an_option_of_another_type(spec: CollectionSpec) -> None:
    kinds = {one.name: one.type for one in spec.variables if one.map == ".kconfig"}
    wrong = tuple(
        one._replace(type=kinds["CONFIG_BPF_SYSCALL"]) if one.name == "CONFIG_HZ" else one for one in spec.variables
    )
    with pytest.raises(RelocationError, match="'CONFIG_HZ': its type does not fit the option's value"):
        with_kconfig(spec._replace(variables=wrong))


def test_lines_that_set_nothing() -> None:
    text = '# CONFIG_OFF is not set\n\nCONFIG_A=y\nCONFIG_B="a=b"\nOTHER=1\nCONFIG_BARE\n'
    assert kconfig.parse(text) == {"CONFIG_A": "y", "CONFIG_B": '"a=b"'}
