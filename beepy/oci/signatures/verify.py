"""Verify that an image is signed by somebody who may sign it."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from beepy.errors import (
    DigestMismatch,
    ImageNotFound,
    StoreError,
    UnsupportedImage,
    UntrustedImage,
)
from beepy.log import Log
from beepy.oci.admission import Candidate, ImageSource
from beepy.oci.reference import has_host, is_reference
from beepy.oci.signatures import holder as holders
from beepy.oci.signatures import key as keys
from beepy.oci.signatures import keyless
from beepy.oci.signatures.claim import Claim
from beepy.oci.signatures.signer import Signature, Signer
from beepy.text import excerpt

_log = Log(__name__)

_MAX_CLAIMS: Final = 64  # signatures of one image
_BROKEN = (DigestMismatch, ImageNotFound, StoreError, UnsupportedImage)
_UNRELATED = "signed by another"


class _Offered(NamedTuple):
    """A claim that was listed for ``digest``, or why there is none."""

    digest: str
    holder: str
    claim: Claim | None
    reason: str = ""


def verify(image: Candidate, signers: Sequence[Signer]) -> Signature:
    """Return a valid signature of the image, its index or its manifest, by one of ``signers``.

    Raises UntrustedImage if it has none, UsageError for keys that cannot be read, RegistryError.
    """
    where = excerpt(image.name, 200)
    public_keys = {signer: keys.load(Path(signer.key)) for signer in signers if signer.key}
    reasons = []
    for offered in islice(_offered(image), _MAX_CLAIMS):
        for signer in signers:
            reason = _refusal(offered, signer, public_keys.get(signer))
            if not reason:
                assert offered.claim is not None
                return Signature(
                    signed=offered.digest,
                    kind="manifest" if offered.digest == image.descriptor.digest else "index",
                    signer=signer.name,
                    form=offered.claim.form,
                    digest=offered.holder,
                )
            _log.info("%s: signature %s: %s", where, offered.holder, reason)
            reasons.append(reason)
    raise _untrusted(image, signers, reasons, where)


def _offered(image: Candidate) -> Iterator[_Offered]:
    """Yield what is listed as signatures, of the index first."""
    for digest in dict.fromkeys((image.top.digest, image.descriptor.digest)):
        for holder in image.find_signatures(digest):
            try:
                where = f"signature {holder.digest}"
                for claim in holders.read_claims(holder, digest, image.read, where):
                    yield _Offered(digest, holder.digest, claim)
            except _BROKEN as error:
                yield _Offered(digest, holder.digest, None, str(error))


def _refusal(offered: _Offered, signer: Signer, key: keys.PublicKey | None) -> str:
    """Return why this is not a signature of the image by ``signer``, "" if it is one."""
    claim = offered.claim
    if claim is None:
        return offered.reason
    if (key is None) != claim.is_keyless:
        return _UNRELATED
    if key is None:
        if not claim.bundle:
            return "keyless signatures of cosign before version 3 are not supported"
        if reason := keyless.refusal(claim.bundle, claim.message, signer):
            return reason
    elif not keys.verifies(key, claim.signature, claim.message):
        if claim.hint != key.hint:
            return _UNRELATED
        # cosign 3.1.3 signs by Ed25519ph, which neither it nor ``cryptography`` can verify
        ph = ", or made by Ed25519ph" if keys.is_ed25519(key) else ""
        return f"the signature is altered{ph}"
    if offered.digest not in claim.digests:
        return f"the signature is of another image, {claim.digests[0]}"
    return ""


def _untrusted(
    image: Candidate, signers: Sequence[Signer], reasons: Sequence[str], where: str
) -> UntrustedImage:
    if not reasons:
        error = UntrustedImage(f"{where}: not signed: no signature of {image.top.digest}")
        if image.source is ImageSource.STORE and has_host(image.name) and is_reference(image.name):
            error.add_note(f"beepy pull {image.name}")  # fetches what was signed since
        return error
    names = " or ".join(signer.name for signer in signers[:3])
    # that others have signed too says less than what is wrong with a signature of this signer
    reason = next((reason for reason in reasons if reason != _UNRELATED), _UNRELATED)
    return UntrustedImage(f"{where}: not signed by {names}: {reason}")
