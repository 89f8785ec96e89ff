"""``beepy verify``, and the same options of ``beepy run``: from the store, without a network."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from beepy.oci.descriptor import Descriptor, descriptor_of
from beepy.oci.manifest import OCI_MANIFEST
from beepy.oci.store import Store
from tests.support import signing
from tests.support.command import Beepy, Done
from tests.support.keyless import IDENTITY, ISSUER, new_instance
from tests.support.signing import Holder, Key, bundle, bundle_holder, new_key

PROGRAM = b"\x7fELF" + bytes(range(256))
NAME = "r.example/acme/x:1"


class Signed(NamedTuple):
    """A store with one image, and what signs it."""

    store: Store
    top: Descriptor
    beepy: Beepy
    directory: Path

    def add(self, holder: Holder, name: str = "") -> None:
        for blob in holder.blobs:
            self.store.layout.add_blob(blob, descriptor_of(blob))
        self.store.add_referrer(holder.manifest, OCI_MANIFEST, name)

    def sign(self, key: Key, form: str = "bundle") -> str:
        """Sign the image; return the digest of what holds the signature."""
        holder = dict(signing.holders(key, self.top))[form]
        tag = f"r.example/acme/x:{self.top.digest.replace(':', '-')}.sig"
        self.add(holder, tag if form == "tag" else "")
        return holder.descriptor.digest

    def __call__(self, *arguments: str) -> Done:
        return self.beepy("--storage", str(self.store.path), *arguments)

    def refuses(self, *arguments: str) -> str:
        """Return the one line of a refusal."""
        done = self(*arguments)
        assert (done.code, done.out) == (1, "")
        (line,) = done.said
        return line.removeprefix("beepy: ")


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    home = tmp_path / "home"
    home.mkdir()
    store = Store(tmp_path / "store")
    store.add_image(NAME, PROGRAM, {})
    stored = store.find(NAME)
    assert stored
    return Signed(store, stored[1], Beepy(home), tmp_path)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return new_key(tmp_path / "cosign.pub")


@pytest.mark.parametrize("form", ["bundle", "tag"])
def test_a_signed_image(signed: Signed, key: Key, form: str) -> None:
    holder = signed.sign(key, form)
    done = signed("verify", NAME, "--key", str(key.path))
    lines = (
        f"{NAME}: signed by {key.path}",
        f"manifest  {signed.top.digest}",
        f"signature {holder}",
    )
    assert done == (0, "".join([f"{line}\n" for line in lines]), "")
    done = signed("verify", NAME, "--key", str(key.path), "-o", "json")
    assert json.loads(done.out) == {
        "image": NAME,
        "digest": signed.top.digest,
        "signature": {
            "signed": signed.top.digest,
            "kind": "manifest",
            "signer": str(key.path),
            "form": form,
            "digest": holder,
        },
    }


def test_one_of_several_keys(signed: Signed, key: Key, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other.pub")
    signed.sign(key)
    assert signed.refuses("verify", NAME, "--key", str(other.path)) == (
        f"{NAME}: not signed by {other.path}: signed by another"
    )
    done = signed("verify", NAME, "--key", str(other.path), "--key", str(key.path))
    assert f"signed by {key.path}" in done.out


def test_an_unsigned_image(signed: Signed, key: Key) -> None:
    """What is only in the registry may be signed since: the note says how to fetch that."""
    done = signed("verify", NAME, "--key", str(key.path))
    assert (done.code, done.out) == (1, "")
    assert done.said == [
        f"beepy: {NAME}: not signed: no signature of {signed.top.digest}",
        f"note: beepy pull {NAME}",
    ]


def test_refusals_are_one_line(signed: Signed, key: Key) -> None:
    other = descriptor_of(b"another image").digest
    replayed = bundle_holder(bundle(key, other), signed.top)
    signed.add(replayed)
    for command in (["verify"], ["run", "--verify"]):
        assert signed.refuses(*command, NAME, "--key", str(key.path)) == (
            f"{NAME}: not signed by {key.path}: the signature is of another image, {other}"
        )


def test_a_saved_image_carries_its_signatures(signed: Signed, key: Key, tmp_path: Path) -> None:
    archive = str(tmp_path / "x.tar")
    holders = {signed.sign(key), signed.sign(key, "tag")}
    assert signed("save", NAME, "-o", archive).code == 0
    done = signed.beepy("verify", archive, "--key", str(key.path))
    first = f"{archive}: signed by {key.path}\nmanifest  {signed.top.digest}\nsignature "
    assert done.out in {f"{first}{holder}\n" for holder in holders}
    assert signed.beepy("load", archive).code == 0
    assert signed.beepy("verify", NAME, "--key", str(key.path)).code == 0


def test_keyless(signed: Signed, tmp_path: Path) -> None:
    instance = new_instance(tmp_path / "root.json")
    signed.add(bundle_holder(instance.sign(signed.top.digest), signed.top))
    root = ["--trusted-root", str(instance.trusted_root)]
    issuer = ["--certificate-oidc-issuer", ISSUER]
    done = signed("verify", NAME, "--certificate-identity", IDENTITY, *issuer, *root)
    assert (done.code, done.err) == (0, "")
    assert f": signed by {IDENTITY} ({ISSUER})\n" in done.out
    wrong = signed.refuses("verify", NAME, "--certificate-identity", "me@x", *issuer, *root)
    assert wrong == (
        f"{NAME}: not signed by me@x ({ISSUER}): certificate's SANs do not match me@x; "
        f"actual SANs: {{'{IDENTITY}'}}"
    )
    line = signed.refuses("verify", NAME, "--certificate-identity", IDENTITY, *issuer)
    assert line.endswith(": the certificate is of no authority in the trusted root")


POLICY = """
[[signer]]
images = ["r.example/acme/*"]
key = "cosign.pub"
"""


def test_a_policy(signed: Signed, key: Key, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    signed.store.tag(NAME, "r.example/other/x:1")
    program = tmp_path / "x.o"
    program.write_bytes(PROGRAM)
    policy = ["--policy", str(path)]
    for command in (["verify"], ["run"], ["run", "--verify"]):
        for name, why in {
            "r.example/other/x:1": f"{path}: no signer of images with this name",
            str(program): f"{path}: files are refused",
        }.items():
            assert signed.refuses(*command, name, *policy) == f"{name}: {why}"
    signed.sign(key)
    assert "signed by" in signed("verify", NAME, *policy).out
    assert signed.refuses("verify", "r.example/other/x:1", *policy)


def test_a_bundled_image_is_part_of_the_package(signed: Signed, key: Key, tmp_path: Path) -> None:
    done = signed("verify", "exitsnoop", "--key", str(key.path))
    assert (done.code, done.err) == (0, "")
    assert ": accepted without a signature: part of beepy\nmanifest  sha256:" in done.out
    done = signed("verify", "exitsnoop", "--key", str(key.path), "-o", "json")
    assert json.loads(done.out)["signature"] is None
    path = tmp_path / "policy.toml"
    path.write_text("")
    done = signed("verify", "exitsnoop", "--policy", str(path))
    assert f": accepted without a signature by {path}\nmanifest  sha256:" in done.out
    path.write_text('bundled = "refuse"')
    line = signed.refuses("verify", "exitsnoop", "--policy", str(path))
    assert line == f"exitsnoop: {path}: bundled images are refused"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["verify", NAME], "verify: expected --key, --certificate-identity or --policy"),
        (["run", "--verify", NAME], "--verify: neither a signer nor a policy is given"),
        (["run", NAME, "--key", "cosign.pub"], "--key: expected --verify too"),
        (
            ["verify", NAME, "--key", "cosign.pub", "--policy", "policy.toml"],
            "--key: not with --policy, which has the signers",
        ),
        (
            ["verify", NAME, "--certificate-identity", "x"],
            "--certificate-identity: expected --certificate-oidc-issuer too",
        ),
        (
            ["verify", NAME, "--certificate-oidc-issuer", "https://x"],
            "--certificate-oidc-issuer: expected --certificate-identity too",
        ),
        (
            ["verify", NAME, "--key", "cosign.pub", "--trusted-root", "root.json"],
            "--trusted-root: expected --certificate-identity too",
        ),
        (["verify", NAME, "--key", "none.pub"], "none.pub: no such file or directory"),
        (["verify", NAME, "--key", "policy.toml"], "policy.toml: not a public key in PEM"),
        (["verify", NAME, "--policy", "none.toml"], "none.toml: no such file or directory"),
        (["verify", NAME, "--policy", "broken.toml"], "broken.toml: not TOML: Invalid value"),
    ],
)
def test_usage(
    signed: Signed, key: Key, arguments: list[str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(key.path.parent)
    Path("policy.toml").write_text("")
    Path("broken.toml").write_text("registry = ")
    done = signed(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.said[0].partition(" (at ")[0] == f"beepy: {why}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: for others nothing is refused")
def test_a_policy_that_others_can_write(signed: Signed, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("")
    path.chmod(0o666)
    done = signed("run", NAME, "--policy", str(path))
    assert (done.code, done.out) == (2, "")
    assert done.said[:2] == [
        f"beepy: policy: {path}: writable by others",
        f"note: chmod go-w {path}",
    ]
