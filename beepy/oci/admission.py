"""The one door to an image: wherever it was found, it passes ``admit`` before it is used."""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from beepy.errors import DigestMismatch, UnsupportedImage, restated
from beepy.file_bytes import ELF_MAGIC
from beepy.oci import formats
from beepy.oci.descriptor import Descriptor, descriptor_of, digest_of
from beepy.oci.formats import FileFormat
from beepy.oci.image import Content, Image, Program
from beepy.oci.manifest import OCI_MANIFEST, Manifest, Read, resolve
from beepy.text import excerpt

if TYPE_CHECKING:
    from beepy.oci.policy import Policy  # most runs have none


FindSignatures = Callable[[str], Iterable[Descriptor]]
"""Return the manifests that were listed as signatures of a digest. Raises what ``Read`` raises."""


def _no_signatures(_digest: str) -> tuple[Descriptor, ...]:
    return ()


def _elf_content(_name: str, data: bytes) -> Content:
    return Content((Program("", data),))


_ELF: Final = FileFormat("elf", lambda _name, head: head.startswith(ELF_MAGIC), _elf_content)


class ImageSource(Enum):
    """Where an image was found."""

    REGISTRY = "registry"
    STORE = "store"
    ARCHIVE = "archive"
    FILE = "file"
    BUNDLED = "bundled"


class Candidate(NamedTuple):
    """An image that was found and is not admitted yet.

    ``top`` is what ``name`` led to: an index, a manifest, or for ImageSource.FILE the file itself,
    which has no ``manifest``; its ``file_format`` knows what it holds. ``descriptor`` and
    ``manifest`` are those for this machine. ``read`` verifies. ``find_signatures`` returns the
    manifests that may hold signatures of a digest: of them nothing is known yet.
    """

    name: str
    source: ImageSource
    top: Descriptor
    descriptor: Descriptor
    manifest: Manifest | None
    read: Read
    find_signatures: FindSignatures = _no_signatures
    file_format: FileFormat = _ELF


def candidate(
    name: str,
    source: ImageSource,
    top: Descriptor,
    read: Read,
    find_signatures: FindSignatures = _no_signatures,
) -> Candidate:
    """Return what ``top``, an index or a manifest, leads to on this machine; reads no layer."""
    descriptor, manifest = resolve(top, read, excerpt(name, 200))
    return Candidate(
        name=name,
        source=source,
        top=top,
        descriptor=descriptor,
        manifest=manifest,
        read=read,
        find_signatures=find_signatures,
    )


def file_candidate(name: str, data: bytes, file_format: FileFormat = _ELF) -> Candidate:
    """Return what was read from the file ``name``: an ELF object, unless ``file_format`` says.

    A format of several files makes an image of them, so that a digest covers all.
    """
    if file_format.image:
        manifest, blobs = file_format.image(name, data)
        top = descriptor_of(manifest, OCI_MANIFEST)
        blobs = {**blobs, top.digest: manifest}
        return candidate(name, ImageSource.FILE, top, lambda blob: blobs[blob.digest])
    descriptor = Descriptor("", digest_of(data), len(data))
    return Candidate(
        name=name,
        source=ImageSource.FILE,
        top=descriptor,
        descriptor=descriptor,
        manifest=None,
        read=lambda _: data,
        file_format=file_format,
    )


def admit(image: Candidate, digest: str = "", policy: "Policy | None" = None) -> Image:
    """Return the image, if it may be used; its programs are read after that was decided.

    ``digest`` is the one that the user asked for, of an index or of a manifest; "" if there is
    none. Without a policy every image may be used. Raises DigestMismatch if the image has another
    digest, UntrustedImage if the policy refuses it, UnsupportedImage if no format matches.
    """
    where = excerpt(image.name, 200)
    if digest and digest not in (image.top.digest, image.descriptor.digest):
        raise DigestMismatch(f"{where}: content is {image.top.digest}, expected {digest}")
    signature = None
    if policy is not None:
        from beepy.oci.policy import decide  # noqa: PLC0415 - most runs have none

        signature = decide(policy, image)
    if image.manifest is None:
        assert image.file_format.content
        content = image.file_format.content(image.name, image.read(image.descriptor))
        return Image(
            name=image.name,
            digest=image.descriptor.digest,
            platform="",
            annotations={},
            size=image.descriptor.size,
            format=image.file_format.name,
            hints=content.hints,
            programs=tuple(program.data for program in content.programs),
            program_names=tuple(program.name for program in content.programs),
        )
    row = formats.detect(image.manifest, image.read, where)
    try:
        content = row.content(image.manifest, image.read)
    except UnsupportedImage as error:
        if str(error).startswith(f"{where}: "):  # an archive's, about the file
            raise
        raise restated(UnsupportedImage(f"{where}: {error}"), error) from None
    formats.expect_programs(row, image.manifest, len(content.programs), where)
    return Image(
        name=image.name,
        digest=image.descriptor.digest,
        platform=image.descriptor.platform or image.top.platform,
        annotations=image.manifest.annotations,
        size=image.descriptor.size + sum(blob.size for blob in image.manifest.blobs),
        format=row.name,
        hints=content.hints,
        programs=tuple(program.data for program in content.programs),
        program_names=tuple(program.name for program in content.programs),
        signature=signature,
    )
