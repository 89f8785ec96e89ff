"""Commands one after the other, as users type them, and log-ins of other programs."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.oci.lookup import bundled_store
from tests.registry import distribution
from tests.registry.distribution import PASSWORD, SETUPS, USER, Running
from tests.support.command import Beepy, environment

pytestmark = pytest.mark.registry


@pytest.fixture
def beepy(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beepy:
    """Run in a directory of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Beepy(home)


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    needs(distribution.PROGRAM)
    (tmp_path / "registry").mkdir()
    with SETUPS[getattr(request, "param", "plain")](tmp_path / "registry") as running:
        yield running


def needs(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def typed(beepy: Beepy, line: str, given: str = "") -> str:
    """Type a line; return what it writes."""
    variables = environment(beepy.home, beepy.variables)
    done = subprocess.run(
        ["sh", "-c", line], check=False, capture_output=True, text=True, env=variables, input=given
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(beepy: Beepy) -> dict[str, str]:
    rows = json.loads(beepy("list", "-o", "json").out)
    return {row["name"]: row["digest"] for row in rows if not row["bundled"]}


def test_tag_then_push(server: Running, beepy: Beepy, tmp_path: Path) -> None:
    needs("skopeo")
    digest = bundled_store().get("exitsnoop").digest
    first, second = (f"{server.host}/tools/exitsnoop:{tag}" for tag in (1, 2))
    assert beepy("tag", "exitsnoop", first).out == f"{first} {digest}\n"
    assert beepy("tag", first, second).out == f"{second} {digest}\n"
    assert listed(beepy) == {first: digest, second: digest}
    assert beepy("push", second).code == 0
    assert beepy("--storage", str(tmp_path / "other"), "pull", second) == (
        0,
        f"{second} {digest}\n",
        "",
    )


@pytest.mark.parametrize("server", ["htpasswd"], indirect=True)
@pytest.mark.parametrize("client", ["docker", "skopeo"])
def test_a_login_of_another_program(server: Running, beepy: Beepy, client: str) -> None:
    needs(client)
    line = f"{client} login {server.host}"
    flag = "--tls-verify=false " if client == "skopeo" else ""
    image = f"{server.host}/tools/none:1"
    beepy = beepy._replace(variables={"XDG_RUNTIME_DIR": str(beepy.home)})
    assert beepy("pull", image).said[0].endswith("authentication required")
    typed(beepy, f"{line} {flag}--username {USER} --password-stdin", PASSWORD)
    missing = (
        f"{image}: manifest: {server.host} does not have it (MANIFEST_UNKNOWN: manifest unknown)"
    )
    assert beepy("pull", image).said[0] == f"beepy: {missing}"
