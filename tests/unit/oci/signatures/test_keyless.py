"""Keyless signatures, verified against a trust root of the test's own."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from beepy.errors import UsageError
from beepy.oci.descriptor import digest_of
from beepy.oci.signatures import keyless
from beepy.oci.signatures.bundle import IN_TOTO, pre_authentication
from beepy.oci.signatures.signer import Signer
from tests.support.command import ROOT
from tests.support.keyless import IDENTITY, ISSUER, SIGNED_AT, Instance, new_instance
from tests.support.signing import statement

DIGEST = digest_of(b"an image")
OTHER = digest_of(b"another image")
MESSAGE = pre_authentication(IN_TOTO, statement(DIGEST))


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    return new_instance(tmp_path_factory.mktemp("trust") / "root.json")


@pytest.fixture
def signer(instance: Instance) -> Signer:
    return Signer(identity=IDENTITY, issuer=ISSUER, trusted_root=instance.trusted_root)


def refusal(bundle: bytes, signer: Signer) -> str:
    return keyless.refusal(bundle, MESSAGE, signer)


def test_a_signature_that_the_log_has_seen(instance: Instance, signer: Signer) -> None:
    assert refusal(instance.sign(DIGEST), signer) == ""
    mail = instance.sign(DIGEST, "me@example.org")
    assert refusal(mail, signer._replace(identity="me@example.org")) == ""
    assert refusal(mail, signer) != ""


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_a_signature_with_a_timestamp(instance: Instance, signer: Signer) -> None:
    """The form of 2026: an entry of Rekor 2 has no time, an authority says it."""
    assert refusal(instance.stamp(DIGEST, datetime.now(UTC)), signer) == ""
    expired = refusal(instance.stamp(DIGEST, SIGNED_AT), signer)
    assert expired == "the certificate is not valid: cert is not valid at validation time"


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_certificate_outside_its_validity(instance: Instance, signer: Signer, hours: int) -> None:
    bundle = instance.sign(DIGEST, logged_at=SIGNED_AT + timedelta(hours=hours))
    why = "the certificate is not valid: cert is not valid at validation time"
    assert refusal(bundle, signer) == why


def test_another_signer(instance: Instance, signer: Signer) -> None:
    wrong = refusal(instance.sign(DIGEST, identity="me@example.org"), signer)
    assert wrong == f"certificate's SANs do not match {IDENTITY}; actual SANs: {{'me@example.org'}}"
    wrong = refusal(instance.sign(DIGEST, issuer="https://evil.example"), signer)
    assert wrong == (
        f"certificate's OIDCIssuer does not match (got 'https://evil.example', expected '{ISSUER}')"
    )


def test_another_instance(signer: Signer, tmp_path: Path) -> None:
    other = new_instance(tmp_path / "root.json")
    wrong = refusal(other.sign(DIGEST), signer)
    assert wrong == "the certificate is of no authority in the trusted root"
    assert refusal(other.sign(DIGEST), signer._replace(trusted_root=None)) == wrong


def _payload(bundle: dict[str, Any], other: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["payload"] = other["dsseEnvelope"]["payload"]


def _signature(bundle: dict[str, Any], other: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"]


def _certificate(bundle: dict[str, Any], other: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["certificate"] = other["verificationMaterial"]["certificate"]


def _entry(bundle: dict[str, Any], other: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]


def _no_promise(bundle: dict[str, Any], _other: dict[str, Any]) -> None:
    del bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]


def _other_time(bundle: dict[str, Any], _other: dict[str, Any]) -> None:
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    entry["integratedTime"] = str(int(entry["integratedTime"]) + 1)


@pytest.mark.parametrize(
    "change", [_payload, _signature, _certificate, _entry, _no_promise, _other_time]
)
def test_a_bundle_with_a_part_of_another(
    instance: Instance,
    signer: Signer,
    change: Callable[[dict[str, Any], dict[str, Any]], None],
) -> None:
    bundle = json.loads(instance.sign(DIGEST))
    change(bundle, json.loads(instance.sign(OTHER)))
    why = refusal(json.dumps(bundle).encode(), signer)
    assert why
    assert why.isprintable()


@pytest.mark.parametrize("first", ["dsse_envelope", "dsseEnvelope"])
def test_another_statement_under_another_spelling(
    instance: Instance, signer: Signer, first: str
) -> None:
    """sigstore reads both spellings: what it verifies must be what was read here."""
    signed, other = json.loads(instance.sign(DIGEST)), json.loads(instance.sign(OTHER))
    del signed["dsseEnvelope"]
    bundles = {"dsse_envelope": json.loads(instance.sign(DIGEST)), "dsseEnvelope": other}
    for name in (first, *(bundles.keys() - {first})):
        signed[name] = bundles[name]["dsseEnvelope"]
    assert refusal(json.dumps(signed).encode(), signer)
    genuine = instance.sign(DIGEST).replace(b"dsseEnvelope", b"dsse_envelope")
    assert keyless.refusal(genuine, MESSAGE, signer) == ""
    of_other = keyless.refusal(instance.sign(OTHER), MESSAGE, signer)
    assert of_other == "the signature is of another statement"


def test_broken_bundles(instance: Instance, signer: Signer) -> None:
    """Whatever a bundle holds is at most a reason, never another exception."""
    rng = random.Random(7)
    data = instance.sign(DIGEST)
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 4))):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        if bytes(changed) != data:
            refusal(bytes(changed), signer)
    values: list[Any] = [None, 0, -1, 2**64, "", "x", [], {}, [{}], True]
    parsed = json.loads(data)
    for path in _paths(parsed):
        for value in values:
            mutant = json.loads(data)
            parent = mutant
            for step in path[:-1]:
                parent = parent[step]
            parent[path[-1]] = value
            why = refusal(json.dumps(mutant).encode(), signer)
            assert why.isprintable()


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    if not isinstance(value, dict | list):
        return [at]
    inner = [path for name, part in steps for path in _paths(part, (*at, name))]
    return [*([at] if at else []), *inner]


def test_a_trusted_root_that_is_none(signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "root.json"
    for text in ("", "[]", "{}", '{"mediaType": "x"}'):
        path.write_text(text)
        with pytest.raises(UsageError, match="not a trusted root") as caught:
            refusal(b"", signer._replace(trusted_root=path))
        assert str(caught.value).isprintable()


def test_without_sigstore_the_command_that_installs_it_is_named() -> None:
    script = (
        "import sys; sys.modules['sigstore'] = None; sys.modules['sigstore.errors'] = None; "
        "from beepy.oci.signatures import keyless, signer; "
        "keyless.refusal(b'', b'', signer.Signer(identity='x', issuer='y'))"
    )
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1] == (
        "beepy.errors.UsageError: keyless signatures need sigstore: "
        "pip install 'beepy-ebpf[keyless]'"
    )
