"""A pull that tries the mirrors of a registry first."""

from functools import partial

from beepy.errors import (
    DigestMismatch,
    ImageNotFound,
    RegistryError,
    UnsupportedImage,
    UntrustedImage,
)
from beepy.log import Log
from beepy.oci.endpoints import endpoints
from beepy.oci.image import Image
from beepy.oci.options import Options
from beepy.oci.progress import Progress
from beepy.oci.pull import pull as pull_once
from beepy.oci.reference import Reference
from beepy.oci.store import Store

_log = Log(__name__)


def pull(
    reference: Reference,
    name: str,
    store: Store,
    options: Options,
    *,
    keep: bool = True,
    progress: Progress | None = None,
) -> Image:
    """Fetch an image as ``oci.pull.pull`` does, from the first mirror that has it.

    A mirror that has not, or does not answer, is skipped. One whose content does not match its
    digest or is no image, or that lacks the signatures that a policy asks for, is skipped with a
    warning. The
    error is the registry's own, with the mirrors' as notes.
    """
    *mirrors, own = endpoints(reference, options)
    pull_from = partial(pull_once, name=name, store=store, keep=keep, progress=progress)
    failures = []
    for mirror in mirrors:
        try:
            return pull_from(mirror.reference, options=mirror.options)
        except (ImageNotFound, RegistryError) as error:
            _log.info("mirror %s: skipped: %s", mirror.reference.registry, error)
            failures.append(f"mirror {mirror.reference.registry}: {error}")
        except (DigestMismatch, UnsupportedImage, UntrustedImage) as error:
            _log.warning("mirror %s: skipped: %s", mirror.reference.registry, error)
    try:
        return pull_from(own.reference, options=own.options)
    except (ImageNotFound, RegistryError) as error:
        for failure in failures:
            error.add_note(failure)
        raise
