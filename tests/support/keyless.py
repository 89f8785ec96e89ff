"""An instance of sigstore of the test's own: authority, certificate log, transparency log."""

import base64
import hashlib
import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from beepy.oci.signatures.bundle import BUNDLE, IN_TOTO, pre_authentication
from tests.support.signing import statement
from tests.support.timestamps import TimestampAuthority, new_timestamp_authority

IDENTITY: Final = "https://forge.example/acme/tools/.github/workflows/release.yml@refs/tags/v1"
ISSUER: Final = "https://token.forge.example"
SIGNED_AT: Final = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)

_ISSUER_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_SCT_OID = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_LIFE = timedelta(minutes=10)
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class Instance(NamedTuple):
    """The keys of the three services, and the file that makes their clients trust them."""

    ca: ec.EllipticCurvePrivateKey
    ca_certificate: x509.Certificate
    ct_log: ec.EllipticCurvePrivateKey
    rekor: ec.EllipticCurvePrivateKey
    authority: TimestampAuthority
    trusted_root: Path

    def sign(
        self,
        digest: str,
        identity: str = IDENTITY,
        issuer: str = ISSUER,
        certified_at: datetime = SIGNED_AT,
        logged_at: datetime = SIGNED_AT,
    ) -> bytes:
        """Return a bundle by which ``identity`` signs ``digest``, in the form of Rekor 1.

        The certificate lives for ten minutes, and begins one before ``certified_at``. The log says
        that it saw the signature at ``logged_at``.
        """
        certificate, payload, signature = self._signed(digest, identity, issuer, certified_at)
        entry = self._log_entry(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": _dsse(certificate, payload, signature),
            }
        )
        time_s = int(logged_at.timestamp())
        entry["integratedTime"] = str(time_s)
        promised = {
            "body": entry["canonicalizedBody"],
            "integratedTime": time_s,
            "logID": _key_id(self.rekor).hex(),
            "logIndex": 0,
        }
        promise = self.rekor.sign(_canonical(promised), ec.ECDSA(SHA256()))
        entry["inclusionPromise"] = {"signedEntryTimestamp": _b64(promise)}
        return _bundle(certificate, payload, signature, entry)

    def stamp(self, digest: str, certified_at: datetime) -> bytes:
        """Return such a bundle in the form of Rekor 2: an authority says that it is signed now."""
        certificate, payload, signature = self._signed(digest, IDENTITY, ISSUER, certified_at)
        entry = self._log_entry(
            {
                "apiVersion": "0.0.2",
                "kind": "hashedrekord",
                "spec": {"hashedRekordV002": _hashed(certificate, payload, signature)},
            }
        )
        stamp = {"rfc3161Timestamps": [{"signedTimestamp": _b64(self.authority.stamp(signature))}]}
        return _bundle(certificate, payload, signature, entry, timestampVerificationData=stamp)

    def _signed(
        self, digest: str, identity: str, issuer: str, certified_at: datetime
    ) -> tuple[x509.Certificate, bytes, bytes]:
        """Return a certificate, what its key signs, and the signature."""
        key = _key()
        certificate = self._certificate(key, identity, issuer, certified_at)
        payload = statement(digest)
        signature = key.sign(pre_authentication(IN_TOTO, payload), ec.ECDSA(SHA256()))
        return certificate, payload, signature

    def _certificate(
        self, key: ec.EllipticCurvePrivateKey, identity: str, issuer: str, certified_at: datetime
    ) -> x509.Certificate:
        """Return a certificate with the promise of the certificate log that it was logged."""
        name: x509.GeneralName = (
            x509.UniformResourceIdentifier(identity)
            if "://" in identity
            else x509.RFC822Name(identity)
        )
        start = certified_at - timedelta(minutes=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.ca_certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + _LIFE)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER_OID, issuer.encode()), critical=False)
        )
        logged = builder.sign(self.ca, SHA256()).tbs_certificate_bytes
        promise = x509.UnrecognizedExtension(_SCT_OID, self._promise(logged))
        return builder.add_extension(promise, critical=False).sign(self.ca, SHA256())

    def _promise(self, certificate: bytes) -> bytes:
        """Return the list of one signed certificate timestamp (RFC 6962, 3.2 and 3.3)."""
        time_ms = int(SIGNED_AT.timestamp() * 1000)
        signed = struct.pack("!BBQH", 0, 0, time_ms, 1) + _key_id(self.ca)
        signed += len(certificate).to_bytes(3, "big") + certificate + b"\0\0"
        signature = self.ct_log.sign(signed, ec.ECDSA(SHA256()))
        timestamp = b"\0" + _key_id(self.ct_log) + struct.pack("!QH", time_ms, 0)
        timestamp += struct.pack("!BBH", 4, 3, len(signature)) + signature
        listed = struct.pack("!HH", len(timestamp) + 2, len(timestamp)) + timestamp
        assert len(listed) < 0x80
        return b"\x04" + bytes([len(listed)]) + listed  # an OCTET STRING

    def _log_entry(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entry of the transparency log, the only one that it has."""
        body = _canonical(record)
        log_id = _key_id(self.rekor)
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"log.example - 1\n1\n{_b64(root)}\n"
        note_signature = _b64(log_id[:4] + self.rekor.sign(note.encode(), ec.ECDSA(SHA256())))
        return {
            "logIndex": "0",
            "logId": {"keyId": _b64(log_id)},
            "kindVersion": {"kind": record["kind"], "version": record["apiVersion"]},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 log.example {note_signature}\n"},
            },
            "canonicalizedBody": _b64(body),
        }


def new_instance(trusted_root: Path) -> Instance:
    """Return an instance with new keys, and write its trusted root."""
    ca, ct_log, rekor = _key(), _key(), _key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(ca.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_EPOCH)
        .not_valid_after(_EPOCH + timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca.public_key()), critical=False)
        .sign(ca, SHA256())
    )
    valid_for = {"start": _EPOCH.isoformat().replace("+00:00", "Z")}

    def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
        return {
            "baseUrl": "https://log.example",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": _b64(_der(key)),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": valid_for,
            },
            "logId": {"keyId": _b64(_key_id(key))},
        }

    def authority(*chain: x509.Certificate) -> dict[str, Any]:
        return {
            "subject": {"organization": "test", "commonName": "authority of the test"},
            "uri": "https://ca.example",
            "certChain": {"certificates": [{"rawBytes": _b64(_der_of(one))} for one in chain]},
            "validFor": valid_for,
        }

    stamping = new_timestamp_authority(trusted_root.with_suffix(".tsa"))
    root = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [log(rekor)],
        "certificateAuthorities": [authority(certificate)],
        "ctlogs": [log(ct_log)],
        "timestampAuthorities": [authority(*stamping.chain)],
    }
    trusted_root.write_text(json.dumps(root))
    trusted_root.chmod(0o644)
    return Instance(ca, certificate, ct_log, rekor, stamping, trusted_root)


def _bundle(
    certificate: x509.Certificate,
    payload: bytes,
    signature: bytes,
    entry: Mapping[str, Any],
    **material: object,
) -> bytes:
    envelope = {
        "payload": _b64(payload),
        "payloadType": IN_TOTO,
        "signatures": [{"sig": _b64(signature)}],
    }
    material |= {"certificate": {"rawBytes": _b64(_der_of(certificate))}, "tlogEntries": [entry]}
    return json.dumps(
        {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
    ).encode()


def _dsse(certificate: x509.Certificate, payload: bytes, signature: bytes) -> dict[str, Any]:
    pem = certificate.public_bytes(Encoding.PEM)
    return {
        "envelopeHash": {"algorithm": "sha256", "value": 64 * "0"},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
        "signatures": [{"signature": _b64(signature), "verifier": _b64(pem)}],
    }


def _hashed(certificate: x509.Certificate, payload: bytes, signature: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(pre_authentication(IN_TOTO, payload)).digest()
    verifier = {
        "x509Certificate": {"rawBytes": _b64(_der_of(certificate))},
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
    }
    return {
        "data": {"algorithm": "SHA2_256", "digest": _b64(digest)},
        "signature": {"content": _b64(signature), "verifier": verifier},
    }


def _der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_der(key)).digest()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
