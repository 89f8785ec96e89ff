"""The log-ins of docker, podman and skopeo open real registries, wherever they are kept."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.errors import RegistryError
from beepy.oci.store import Store
from tests.registry import distribution
from tests.registry.conftest import Ours
from tests.registry.distribution import PASSWORD, SETUPS, USER, Running
from tests.registry.hostile import PROGRAM

pytestmark = pytest.mark.registry

REPOSITORY = "solo-io/bumblebee/exitsnoop"
AUTH = {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
WRONG = {"auth": base64.b64encode(b"other:wrong").decode()}
HELPER = f"""#!/bin/sh
[ "$1" = get ] || exit 1
read -r server
[ "$server" = "$HELPED" ] || {{ echo credentials not found in native keychain; exit 1; }}
echo '{{"ServerURL":"x","Username":"{USER}","Secret":"{PASSWORD}"}}'
"""


@pytest.fixture(scope="module", params=["htpasswd", "bearer"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    for program in (distribution.PROGRAM, "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    directory = tmp_path_factory.mktemp(request.param)
    with SETUPS[request.param](directory) as running:
        store = Store(directory / "store")
        store.add_image("x", PROGRAM, {})
        distribution.copy(store.path, f"{running.host}/{REPOSITORY}:1", *running.push)
        yield running


def is_open(server: Running, ours: Ours, **options: object) -> bool:
    """Pull; return whether the registry let us."""
    try:
        image = ours.pull(f"{server.host}/{REPOSITORY}:1", ca_file=None, **options)
    except RegistryError:
        return False
    return image.programs == (PROGRAM,)


def write(path: Path, **contents: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contents))
    return path


@pytest.mark.parametrize(
    ("place", "variable", "value"),
    [
        (".docker/config.json", "", ""),
        ("d/config.json", "DOCKER_CONFIG", "d"),
        ("run/containers/auth.json", "XDG_RUNTIME_DIR", "run"),
        ("p/auth.json", "REGISTRY_AUTH_FILE", "p/auth.json"),
        (".config/containers/auth.json", "", ""),
        ("c/containers/auth.json", "XDG_CONFIG_HOME", "c"),
        (".config/beepy/config.json", "", ""),
        ("c/beepy/config.json", "XDG_CONFIG_HOME", "c"),
        (".bumblebee/config.json", "", ""),
    ],
)
def test_places(
    server: Running,
    ours: Ours,
    monkeypatch: pytest.MonkeyPatch,
    *,
    place: str,
    variable: str,
    value: str,
) -> None:
    assert not is_open(server, ours)
    write(ours.home / place, auths={server.host: AUTH})
    assert is_open(server, ours) == (not variable)
    if variable:
        monkeypatch.setenv(variable, str(ours.home / value))
        assert is_open(server, ours)


def test_files_on_the_command_line(server: Running, ours: Ours) -> None:
    path = write(ours.home / "mine" / "config.json", auths={server.host: AUTH})
    write(ours.home / ".docker" / "config.json", auths={server.host: WRONG})
    assert not is_open(server, ours)
    assert is_open(server, ours, configs=(path,))
    assert is_open(server, ours, config_dir=path.parent)


@pytest.mark.parametrize(
    ("auths", "opened"),
    [
        ({"{}": AUTH}, True),
        ({"https://{}/v2/": AUTH}, True),
        ({"{}/solo-io": AUTH}, True),
        ({"{}/solo-io/bumblebee/exitsnoop": AUTH, "{}": WRONG}, True),
        ({"{}/solo-io": WRONG, "{}": AUTH}, False),
        ({"{}/solo": AUTH}, False),
        ({"{}0": AUTH}, False),
        ({"{}": {"username": USER, "password": PASSWORD}}, True),
        ({"{}": {}}, False),
    ],
)
@pytest.mark.parametrize("place", [".docker/config.json", ".config/containers/auth.json"])
def test_keys(
    server: Running, ours: Ours, place: str, *, auths: dict[str, object], opened: bool
) -> None:
    keys = {key.format(server.host): entry for key, entry in auths.items()}
    write(ours.home / place, auths=keys)
    assert is_open(server, ours) == opened


@pytest.mark.parametrize("place", [".docker/config.json", ".config/containers/auth.json"])
@pytest.mark.parametrize("how", ["credsStore", "credHelpers", "credHelpers of a namespace"])
def test_helpers(
    server: Running, ours: Ours, monkeypatch: pytest.MonkeyPatch, place: str, how: str
) -> None:
    program = ours.home / "bin" / "docker-credential-mine"
    program.parent.mkdir()
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("HELPED", "other.example")
    key = f"{server.host}/solo-io" if how.endswith("namespace") else server.host
    value = "mine" if how == "credsStore" else {key: "mine"}
    write(ours.home / place, **{"auths": {server.host: {}}, how.partition(" ")[0]: value})
    assert not is_open(server, ours)
    monkeypatch.setenv("HELPED", server.host)
    assert is_open(server, ours)


@pytest.mark.parametrize("client", ["skopeo", "docker"])
def test_a_log_in_of_another_program(
    server: Running, ours: Ours, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    if not shutil.which(client):
        pytest.skip(f"{client} is not installed")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(ours.home))
    command = [client, "login", "-u", USER, "--password-stdin", server.host]
    command += ["--tls-verify=false"] if client == "skopeo" else []
    subprocess.run(command, input=PASSWORD, text=True, check=True, capture_output=True)
    assert is_open(server, ours)
    subprocess.run([client, "logout", server.host], check=True, capture_output=True)
    assert not is_open(server, ours)
