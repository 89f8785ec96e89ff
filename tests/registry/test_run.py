"""The bundled image, pushed by skopeo to a real registry in four set-ups: pulled and run."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.oci.lookup import bundled_store
from tests.conftest import TIERS
from tests.registry import distribution
from tests.registry.distribution import PASSWORD, SETUPS, USER, Running
from tests.support import exits
from tests.support.command import Beepy, Done
from tests.support.exits import Exit

pytestmark = pytest.mark.registry

REPOSITORY = "solo-io/bumblebee/exitsnoop"


@pytest.fixture(scope="module", params=SETUPS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    for program in (distribution.PROGRAM, "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    with SETUPS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        for name, tag in (("exitsnoop", "1"), ("exitsnoop-old", "0.0.14")):
            target = f"docker://{running.host}/{REPOSITORY}:{tag}"
            source = f"oci:{bundled_store().path}:{name}"
            subprocess.run(["skopeo", "copy", "-q", *running.push, source, target], check=True)
        yield running


@pytest.fixture
def beepy(home: Path) -> Beepy:
    return Beepy(home)


def flags(server: Running) -> list[str]:
    authority = ["--ca-file", str(server.ca_file)] if server.ca_file else []
    return authority + (["-u", USER, "-p", PASSWORD] if server.wants_login else [])


def run(beepy: Beepy, *arguments: str) -> dict[str, object]:
    """Run an image until it has shown one row; return that."""
    if why := TIERS["kernel"]():
        pytest.skip(why)
    with beepy.start("-v", "run", "--count", "1", "-o", "json", *arguments) as running:
        running.until_attached()
        exits.fork([Exit(b"seen", 7)])
        done = running.wait()
    assert done.code == 0
    assert done.said[-1].startswith("beepy: 1 shown, ")
    row: dict[str, object] = json.loads(done.out)
    return row


def pulled(done: Done, image: str, name: str) -> None:
    assert done == (0, f"{image} {bundled_store().get(name).digest}\n", "")


def test_pull_then_run(server: Running, beepy: Beepy) -> None:
    image = f"{server.host}/{REPOSITORY}:1"
    pulled(beepy("pull", image, *flags(server)), image, "exitsnoop")
    row = run(beepy, image, "--pull", "never", "-f", "print_exits,comm,^seen$")
    assert (row["map"], row["comm"], row["exit_code"]) == ("print_exits", "seen", 7)
    listed = json.loads(beepy("list", "-o", "json").out)
    assert [one["name"] for one in listed if not one["bundled"]] == [image]


def test_run_fetches_what_is_missing(server: Running, beepy: Beepy) -> None:
    """The image of the old convention; the second time no registry is asked."""
    image = f"{server.host}/{REPOSITORY}:0.0.14"
    row = run(beepy, image, *flags(server), "-f", "exits,comm,^seen$")
    assert (row["map"], row["comm"], row["exit_code"]) == ("exits", "seen", 7)
    assert run(beepy, image, "-f", "exits,comm,^seen$")["comm"] == "seen"


def test_run_by_digest_into_a_store_of_ones_own(
    server: Running, beepy: Beepy, tmp_path: Path
) -> None:
    digest = bundled_store().get("exitsnoop").digest
    image = f"{server.host}/{REPOSITORY}@{digest}"
    storage = ("--storage", str(tmp_path / "mine"))
    assert run(beepy, image, *storage, *flags(server))["map"] == "print_exits"
    assert f'"{digest}"' in (tmp_path / "mine" / "index.json").read_text()
    assert not (beepy.home / ".local").exists()
    assert json.loads(beepy("describe", image, *storage, "-o", "json").out)["digest"] == digest


def test_always_asks_again(server: Running, beepy: Beepy) -> None:
    image = f"{server.host}/{REPOSITORY}:1"
    beepy("pull", image, *flags(server))
    gone = image.replace("exitsnoop:1", "exitsnoop:none")
    done = beepy("run", gone, "--pull", "always", *flags(server))
    assert (done.code, done.out) == (1, "")
    assert done.said[0].startswith(f"beepy: {gone}: manifest: {server.host} does not have it")
    assert run(beepy, image, "--pull", "always", *flags(server))["map"] == "print_exits"


def log_in(path: Path, server: Running) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    path.write_text(json.dumps({"auths": {server.host: {"auth": auth}}}))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("server", ["htpasswd", "bearer"], indirect=True)
def test_where_credentials_come_from(server: Running, beepy: Beepy, tmp_path: Path) -> None:
    image = f"{server.host}/{REPOSITORY}:1"
    refused = beepy("pull", image)
    assert (refused.code, refused.out) == (1, "")
    assert refused.said[0].startswith(f"beepy: {image}: ")
    file = log_in(tmp_path / "credentials.json", server)
    pulled(beepy("pull", image, "--config", str(file)), image, "exitsnoop")
    (tmp_path / "other.json").write_text('{"auths": {"other.example": {"auth": "bWU6bWU="}}}')
    pulled(
        beepy("-c", str(tmp_path / "other.json"), "-c", str(file), "pull", image),
        image,
        "exitsnoop",
    )
    assert beepy("pull", image, "-c", str(tmp_path / "none.json")).code == 2
    log_in(tmp_path / "settings" / "config.json", server)
    pulled(beepy("pull", image, "--config-dir", str(tmp_path / "settings")), image, "exitsnoop")
    variables = {"BEEPY_CONFIG_DIR": str(tmp_path / "settings")}
    pulled(beepy._replace(variables=variables)("pull", image), image, "exitsnoop")
    log_in(beepy.home / ".docker" / "config.json", server)
    pulled(beepy("pull", image), image, "exitsnoop")
    wrong = beepy("pull", image, "--username", USER, "--password", "wrong")
    assert wrong.code == 1
    assert PASSWORD not in wrong.err


@pytest.mark.parametrize("server", ["tls"], indirect=True)
def test_how_its_certificate_is_taken(server: Running, beepy: Beepy) -> None:
    image = f"{server.host}/{REPOSITORY}:1"
    refused = beepy("pull", image)
    assert (refused.code, len(refused.out)) == (1, 0)
    assert "certificate verification failed" in refused.said[0]
    assert beepy("pull", image, "--plain-http").code == 1
    pulled(beepy("pull", image, "--insecure"), image, "exitsnoop")
    pulled(beepy("--ca-file", str(server.ca_file), "pull", image), image, "exitsnoop")


@pytest.mark.parametrize("server", ["plain"], indirect=True)
def test_plain_http(server: Running, beepy: Beepy) -> None:
    image = f"{server.host}/{REPOSITORY}:1"
    pulled(beepy("pull", image, "--plain-http"), image, "exitsnoop")
    pulled(beepy("--plain-http", "pull", image), image, "exitsnoop")
