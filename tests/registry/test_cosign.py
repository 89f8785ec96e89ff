"""What cosign signs, in both of its forms, is verified."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from beepy.errors import UntrustedImage
from beepy.oci import policy
from beepy.oci.manifest import OCI_INDEX
from beepy.oci.signatures.signer import Signer
from beepy.oci.store import Store
from tests.registry import distribution
from tests.registry.conftest import Ours
from tests.support.blobs import entry
from tests.support.command import Beepy

pytestmark = [pytest.mark.registry, pytest.mark.peer("cosign")]

PROGRAM = b"\x7fELF" + bytes(range(256)) * 300
FORMS = {
    "bundle": ("--signing-config", "config.json"),
    "tag": ("--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"),
}


class Cosign(NamedTuple):
    """cosign with a key of its own, and a registry."""

    directory: Path
    host: str

    def __call__(self, *arguments: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "COSIGN_PASSWORD": "",
            "COSIGN_YES": "true",
        }
        subprocess.run(
            ["cosign", *arguments],
            cwd=self.directory,
            env=environment,
            check=True,
            capture_output=True,
        )

    @property
    def key(self) -> Path:
        return self.directory / "cosign.pub"

    def sign(self, image: str, form: str, *options: str) -> None:
        more = ("--key", "cosign.key", "--allow-http-registry", *options)
        self("sign", *FORMS[form], *more, image)

    def push(self, name: str, program: bytes) -> tuple[str, str]:
        """Push an image by skopeo; return its name by tag and by digest."""
        store = Store(self.directory / "store")
        digest = store.add_image(name, program, {})
        return self.copy(store, name, digest)

    def copy(self, store: Store, name: str, digest: str) -> tuple[str, str]:
        target = f"{self.host}/tools/{name}"
        subprocess.run(
            [
                *("skopeo", "copy", "-q", "--all", "--dest-tls-verify=false"),
                *(f"oci:{store.path}:{name}", f"docker://{target}:1"),
            ],
            check=True,
        )
        return f"{target}:1", f"{target}@{digest}"


@pytest.fixture(scope="module")
def cosign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cosign]:
    for program in (distribution.PROGRAM, "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    directory = tmp_path_factory.mktemp("cosign")
    with distribution.plain(tmp_path_factory.mktemp("registry")) as running:
        cosign = Cosign(directory, running.host)
        cosign("generate-key-pair")
        cosign("signing-config", "create", "--out", "config.json")
        yield cosign


def by(*keys: Path) -> policy.Policy:
    return policy.signed_by([Signer(key=key) for key in keys])


@pytest.mark.parametrize("form", FORMS)
def test_each_form(cosign: Cosign, ours: Ours, form: str) -> None:
    tagged, pinned = cosign.push(form, PROGRAM + form.encode())
    with pytest.raises(UntrustedImage, match="not signed: no signature"):
        ours.pull(tagged, policy=by(cosign.key))
    cosign.sign(pinned, form)
    image = ours.pull(tagged, policy=by(cosign.key))
    assert image.signature
    assert (image.signature.form, image.signature.kind) == (form, "manifest")
    assert pinned.endswith(image.signature.signed)


@pytest.mark.parametrize("options", [(), ("--recursive",)], ids=["index", "recursive"])
@pytest.mark.parametrize("form", FORMS)
def test_an_index(
    cosign: Cosign, ours: Ours, tmp_path: Path, form: str, options: tuple[str, ...]
) -> None:
    store = Store(tmp_path / "pushed")
    name = f"index-{form}{len(options)}"
    manifests = []
    for machine in ("amd64", "arm64"):
        store.add_image(machine, PROGRAM + machine.encode(), {})
        stored = store.find(machine)
        assert stored
        platform = {"os": "linux", "architecture": machine}
        manifests.append(entry(stored[1], platform=platform))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    digest = store.put(name, json.dumps(index).encode(), OCI_INDEX)
    tagged, pinned = cosign.copy(store, name, digest)
    cosign.sign(pinned, form, *options)
    image = ours.pull(tagged, policy=by(cosign.key))
    assert image.signature
    assert (image.signature.signed, image.signature.kind) == (digest, "index")


def test_the_command(cosign: Cosign, home: Path) -> None:
    """As a user types it: verify from the registry, pull, verify from the store alone."""
    tagged, pinned = cosign.push("command", PROGRAM + b"command")
    cosign.sign(pinned, "bundle")
    beepy = Beepy(home)
    done = beepy("verify", tagged, "--key", str(cosign.key))
    assert (done.code, done.err) == (0, "")
    digest = pinned.partition("@")[2]
    assert done.out.startswith(f"{tagged}: signed by {cosign.key}\nmanifest  {digest}\nsignature ")
