"""beepy starts and finds the bundled images from a wheel, an editable install and a checkout."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from beepy.oci.lookup import bundled_store

ROOT = Path(__file__).parents[2]

BUILD = "import hatchling.build, sys; print(getattr(hatchling.build, sys.argv[1])(sys.argv[2]))"
ASK = """
import sys
sys.path.insert(0, sys.argv[1])
from beepy.oci.lookup import bundled_store
store = bundled_store()
print(store.path, *(f"{name} {store.get(name).digest}" for name in store.names()), sep="\\n")
"""


def python(code: str, *arguments: str) -> list[str]:
    """Run code that sees neither this folder nor a setting of the user; return its lines."""
    command = [sys.executable, "-I", "-c", code, *arguments]
    return subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()


def unpacked(hook: str, tmp: Path) -> Path:
    """Build by the hook of PEP 517 or 660 that pip calls, and unpack what it made."""
    name = python(BUILD, hook, str(tmp))[-1]
    with zipfile.ZipFile(tmp / name) as wheel:
        wheel.extractall(tmp / "site")
    return tmp / "site"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("build_wheel", tmp_path_factory.mktemp("wheel"))


def named() -> list[str]:
    store = bundled_store()
    assert store.names()
    return [f"{name} {store.get(name).digest}" for name in store.names()]


def test_checkout_has_the_images() -> None:
    assert python(ASK, str(ROOT)) == [str(ROOT / "images"), *named()]


def test_wheel_has_the_images(site: Path) -> None:
    assert python(ASK, str(site)) == [str(site / "beepy" / "images"), *named()]


def test_wheel_holds_beepy_alone(site: Path) -> None:
    (info,) = site.glob("beepy_ebpf-*.dist-info")
    assert {path.name for path in site.iterdir()} == {"beepy", info.name}
    assert (site / "beepy" / "py.typed").exists()
    assert (info / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (info / "licenses" / "bpf" / "LICENSE").read_bytes() == (
        ROOT / "bpf" / "LICENSE"
    ).read_bytes()
    in_checkout = {path.relative_to(ROOT) for path in (ROOT / "beepy").rglob("*.py")}
    assert {path.relative_to(site) for path in site.rglob("*.py")} == in_checkout


def test_wheel_brings_the_command(site: Path) -> None:
    (info,) = site.glob("beepy_ebpf-*.dist-info")
    entry_points = configparser.ConfigParser()
    entry_points.read(info / "entry_points.txt")
    assert dict(entry_points["console_scripts"]) == {"beepy": "beepy.__main__:command"}


def test_editable_install_points_at_the_checkout(tmp_path: Path) -> None:
    """It copies nothing: images that are built anew are found."""
    site = unpacked("build_editable", tmp_path)
    assert [path.read_text().strip() for path in site.glob("*.pth")] == [str(ROOT)]
    assert not (site / "beepy").exists()
