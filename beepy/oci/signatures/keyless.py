"""Keyless signatures, by sigstore: a certificate for an identity, and a log that has seen it."""

import logging
import struct
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from beepy.errors import UsageError
from beepy.oci.signatures.bundle import pre_authentication
from beepy.oci.signatures.key import read_own
from beepy.oci.signatures.signer import Signer
from beepy.text import excerpt, safe

if TYPE_CHECKING:
    from sigstore.verify import Verifier

_MAX_ROOT: Final = 1 << 20
# what sigstore and cryptography raise for bytes of others, besides sigstore's own errors
_MALFORMED: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)


def refusal(bundle: bytes, message: bytes, signer: Signer) -> str:
    """Return why a bundle is no signature of ``message`` by ``signer``, "" if it is one.

    No host is contacted. Raises UsageError if sigstore is not installed, or for a file that is no
    trusted root.
    """
    verifier = _verifier(signer.trusted_root)
    from cryptography.x509 import ExtensionNotFound  # noqa: PLC0415 - imported by sigstore
    from sigstore.errors import CertValidationError, Error  # noqa: PLC0415
    from sigstore.models import Bundle  # noqa: PLC0415
    from sigstore.verify import policy  # noqa: PLC0415

    try:
        parsed = Bundle.from_json(bundle)
        signed = verifier.verify_dsse(
            parsed, policy.Identity(identity=signer.identity, issuer=signer.issuer)
        )
    except CertValidationError as error:
        _, _, why = _line(error).rpartition("validation failed: ")
        if why.startswith("candidates exhausted"):
            return "the certificate is of no authority in the trusted root"
        return f"the certificate is not valid: {why.partition(' (encountered')[0]}"
    except Error as error:
        return _line(error)
    except (*_MALFORMED, ExtensionNotFound) as error:
        return f"malformed: {_line(error)}"
    # sigstore accepts keys in two spellings: what it verified must be what was read here
    return "" if pre_authentication(*signed) == message else "the signature is of another statement"


@cache
def _verifier(trusted_root: Path | str | None) -> "Verifier":
    try:
        from sigstore.errors import Error  # noqa: PLC0415 - an extra of the package
        from sigstore.models import TrustedRoot  # noqa: PLC0415
        from sigstore.verify import Verifier  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "keyless signatures need sigstore: pip install 'beepy-ebpf[keyless]'"
        ) from error
    # without a handler warnings would be written to stderr, one of them at each use without network
    logging.getLogger("sigstore").addHandler(logging.NullHandler())
    if trusted_root is None:
        try:
            return Verifier.production(offline=True)
        except (Error, OSError) as error:
            raise UsageError(f"sigstore's trusted root: {_line(error)}") from error
    read_own(Path(trusted_root), _MAX_ROOT, "trusted root")
    try:
        return Verifier(trusted_root=TrustedRoot.from_file(str(trusted_root)))
    except (Error, *_MALFORMED) as error:
        raise UsageError(
            f"{safe(str(trusted_root))}: not a trusted root: {_line(error)}"
        ) from error


def _line(error: BaseException) -> str:
    """Return an error's message as one line in lower case."""
    text = " ".join(str(error).split()) or type(error).__name__
    return excerpt(text if text[:2].isupper() else text[:1].lower() + text[1:], 200)
