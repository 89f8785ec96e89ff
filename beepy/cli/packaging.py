"""Write the directory of ``beepy package``."""

import re
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

import beepy
from beepy.errors import StoreError, UnsupportedImage, UntrustedImage, UsageError
from beepy.inspection import inspect
from beepy.log import Log
from beepy.manifest import containerfile, kubernetes, wheel
from beepy.manifest.containerfile import Base, Packaged
from beepy.manifest.directory import replaced
from beepy.manifest.kubernetes import Container
from beepy.manifest.needs import Needs, of_objects
from beepy.oci import archive, image_file, lookup
from beepy.oci.copying import copy_image
from beepy.oci.descriptor import Descriptor
from beepy.oci.image import Image
from beepy.oci.manifest import Index, read_document
from beepy.oci.options import Options
from beepy.oci.reference import has_host, is_reference, parse
from beepy.oci.store import Store
from beepy.text import excerpt, safe

_log = Log(__name__)

_CONTAINERFILE: Final = "Containerfile"
_LAYOUT: Final = "image"
_POD: Final = "pod.yaml"
_BUILT_POD: Final = "pod-built.yaml"
_NAMES: Final = {_CONTAINERFILE, _LAYOUT, _POD, _BUILT_POD}

_NO_REGISTRY: Final = "registry.example"  # RFC 2606: never a host's name
_MAX_CONTAINERFILE: Final = 1 << 20  # bytes that are read of one
_FILE_NAME: Final = re.compile(r"\w[\w.-]{0,250}", re.ASCII)


class Order(NamedTuple):
    """What the user asks for: "" and None are for what was not given."""

    image: str
    tag: str
    output: Path | None
    base_image: str
    beepy_image: str
    wheel: Path | None
    arguments: tuple[str, ...]


class _Source(NamedTuple):
    """An image, and where its manifest or index ``top`` is: None for a file.

    ``label`` is a short name, ``name`` the one in the layout.
    """

    image: Image
    place: tuple[Store, str, Descriptor] | None
    label: str
    name: str


def write(order: Order, options: Options) -> tuple[Path, list[str]]:
    """Write the directory; return its path, and notes for the user.

    Raises UsageError for what cannot be a container image's name, ImageError, ObjectError, and
    OutputError for a directory that is not ours.
    """
    for option, text in (
        ("NAME", order.tag),
        ("--base-image", order.base_image),
        ("--beepy-image", order.beepy_image),
    ):
        if text and not is_reference(text):
            raise UsageError(f"{option} '{excerpt(text)}': not the name of a container image")
    source = _find(order.image, options)
    needs = of_objects(inspect(source.image))
    directory = order.output or Path(f"{source.label}-package")
    with replaced(directory, _foreign) as new:
        notes = _fill(new, order, source, needs)
    return directory, [*notes, *(() if order.arguments else needs.advice)]


def _find(text: str, options: Options) -> _Source:
    """Find an image as ``beepy run`` does, and its manifest; fetch what a run did not need."""
    image = lookup.find(text, options)
    text = image.name  # what an alias stands for
    place, is_partial = _locate(image, text, options)
    if _names_registry(text) and (place is None or is_partial):
        pulled = lookup.pull(text, options)
        if pulled.digest != image.digest:
            why = f"pulled again, and packaged, as {pulled.digest}: it was {image.digest}"
            _log.warning("%s: %s", safe(text), why)
        image = pulled
        place, _ = _locate(image, text, options)
    if place:
        _refuse_unsigned(image, text, place[2])
        return _Source(image, place, parse(text).repository.rpartition("/")[2], text)
    if image.format != "elf":
        with image_file.opened(text) as file:
            is_archive = file is not None and archive.is_tar(file.read(512))
        kind = "an archive" if is_archive else f"a file of {image.format}"
        error = UnsupportedImage(f"{safe(text)}: {kind}: only stored images are packaged")
        if is_archive:
            error.add_note(f"beepy load {safe(text)}")
        raise error
    label = re.sub(r"[^a-z0-9]+", "-", Path(text).name.partition(".")[0].lower()).strip("-")
    return _Source(image, None, label or "image", label or "image")


def _refuse_unsigned(image: Image, text: str, top: Descriptor) -> None:
    """Raise UntrustedImage if the signature is of this machine's manifest, and not of its index.

    It says nothing about the manifests of other platforms, which a package would have too.
    """
    signature = image.signature
    if signature and signature.signed != top.digest:
        why = f"not packaged: the signature is of {signature.signed}, not of the index {top.digest}"
        error = UntrustedImage(f"{safe(text)}: {why}")
        if _names_registry(text):
            error.add_note(f"beepy pull {parse(text).name}@{image.digest}")
        raise error


def _locate(
    image: Image, text: str, options: Options
) -> tuple[tuple[Store, str, Descriptor] | None, bool]:
    """Return where ``image`` is: store, name there and what it is; and whether blobs are missing.

    A file of that name may have come first: the digests are compared.
    """
    for store in (*lookup.stores(options), lookup.bundled_store()):
        try:
            entry = store.find(text)
        except StoreError:  # a warning has been logged
            continue
        if entry and store.load(*entry).digest == image.digest:
            name, descriptor = entry
            return (store, name, descriptor), any(
                stored.partial for stored in store.list() if stored.name == name
            )
    return None, False


def _names_registry(text: str) -> bool:
    return has_host(text) and is_reference(text)  # "./probe.o" has a dot in its first part


def _fill(directory: Path, order: Order, source: _Source, needs: Needs) -> list[str]:
    """Write all files; return notes."""
    digest, notes = _write_layout(directory / _LAYOUT, source)
    tag = order.tag or f"localhost/{source.label}"
    base = _base(directory, order)
    if base.requirement and not base.requirement.endswith(".whl"):
        notes.append(
            f"{_CONTAINERFILE}: installs {base.requirement} from PyPI; "
            "--wheel FILE installs a wheel that exists"
        )
    packaged = Packaged(source.name, digest, source.image.annotations, needs)
    text = containerfile.text(packaged, base, order.arguments, tag)
    (directory / _CONTAINERFILE).write_text(text, "utf-8")
    if files := _files(source.image):
        reference = _reference(source, digest)
        beepy_image = order.beepy_image or f"localhost/beepy:{beepy.__version__}"
        container = kubernetes.volume_container(beepy_image, reference, files)
        pod = kubernetes.pod(source.label, container, needs, order.arguments)
        (directory / _POD).write_text(pod, "utf-8")
        if reference.startswith(f"{_NO_REGISTRY}/"):
            notes.append(
                f"{_POD}: {_NO_REGISTRY} is not a registry: push the image, "
                "then package it by its name there"
            )
    else:
        notes.append(f"no {_POD}: the programs have no file names (titles), or not different ones")
    if order.tag:
        pod = kubernetes.pod(source.label, Container(order.tag), needs, ())
        (directory / _BUILT_POD).write_text(pod, "utf-8")
    return notes


def _write_layout(path: Path, source: _Source) -> tuple[str, list[str]]:
    """Write the layout with the image alone; return its digest, and notes about what is missing."""
    target = Store(path)
    if source.place is None:
        digest = target.add_image(source.name, source.image.programs[0], {})
        missing = []
    else:
        store, name, top = source.place
        digest = top.digest
        copied = copy_image(store, name, top, target, source.name)
        document = read_document(top, store.layout.read, store.layout.where)
        children = document.manifests if isinstance(document, Index) else ()
        missing = [child for child in children if child.digest not in copied.blobs]
    (path / "ingest").rmdir()  # only a store has it
    platforms = [safe(descriptor.platform or descriptor.digest) for descriptor in missing]
    return digest, [f"{_LAYOUT}: without {platform}: not in the store" for platform in platforms]


def _base(directory: Path, order: Order) -> Base:
    if order.beepy_image:
        return Base(order.beepy_image)
    requirement = wheel.add(directory, beepy.__version__, order.wheel)
    return Base(order.base_image or containerfile.BASE, requirement)


def _files(image: Image) -> tuple[str, ...]:
    """Return the names of the files of a volume of the image, () if it cannot be one."""
    # of other formats an image's files are not all that its runner reads
    names = {"elf": ("program.o",), "bee": image.program_names}.get(image.format, ())
    is_volume = all(map(_FILE_NAME.fullmatch, names)) and len({*names}) == len(names)
    return names if is_volume else ()


def _reference(source: _Source, digest: str) -> str:
    """Return the reference of the image by digest; without a registry, one to be replaced."""
    if _names_registry(source.name):
        return f"{parse(source.name).name}@{digest}"
    return f"{_NO_REGISTRY}/{source.label}@{digest}"


def _foreign(directory: Path) -> str:
    """Return why a directory was not written by this command, "" if it was."""
    path = directory / _CONTAINERFILE
    try:
        with path.open("rb") if path.is_file() else BytesIO() as file:  # a pipe would be waited for
            text = file.read(_MAX_CONTAINERFILE).decode("utf-8", "replace")
    except OSError:
        text = ""
    ours = {*_NAMES, containerfile.wheel_of(text)}
    for other in sorted(directory.iterdir()):
        if other.name not in ours:
            return f"{other.name} is not of beepy package"
    is_ours = text.startswith(f"{containerfile.MARK}\n")
    return "" if is_ours else f"its {_CONTAINERFILE} is not of beepy package"
