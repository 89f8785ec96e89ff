"""The signatures of cosign before version 3: payloads of "simple signing", under a tag."""

from collections.abc import Mapping
from typing import Final

from beepy.errors import UnsupportedImage
from beepy.oci.descriptor import is_digest, parse_object
from beepy.oci.signatures.claim import Claim, decoded, parse_member
from beepy.text import excerpt

SIMPLE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
"""The media type of the layers of a manifest under the tag ``sha256-<hex>.sig``."""

SIGNATURE: Final = "dev.cosignproject.cosign/signature"
"""The annotation of a layer with the signature of its bytes, in base64."""

TYPE: Final = "cosign container image signature"

_CERTIFICATE: Final = "dev.sigstore.cosign/certificate"


def parse(payload: bytes, annotations: Mapping[str, str], where: str) -> Claim:
    """Return the claim of a layer: ``{"critical": {"image": {"docker-manifest-digest"}, "type"}}``.

    Raises UnsupportedImage.
    """
    critical = parse_member(parse_object(payload, where), "critical", where)
    if critical.get("type") != TYPE:
        raise UnsupportedImage(f"{where}: a payload of type '{excerpt(critical.get('type'))}'")
    digest = parse_member(critical, "image", where).get("docker-manifest-digest")
    if not isinstance(digest, str) or not is_digest(digest):
        raise UnsupportedImage(f"{where}: image '{excerpt(digest)}': not a digest")
    return Claim(
        form="tag",
        digests=(digest,),
        message=payload,
        signature=decoded(annotations.get(SIGNATURE), f"{where}: signature"),
        is_keyless=_CERTIFICATE in annotations,
    )
