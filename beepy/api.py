"""The public functions that do a whole run: what ``beepy run`` does, from Python."""

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict, Unpack

from beepy.btf.btf import Btf
from beepy.collection.missing import Missing
from beepy.events.row import Row
from beepy.hooks.target import Target
from beepy.launch import Request, launch
from beepy.log import Log
from beepy.obj.pinning import Pins
from beepy.obj.spec import CollectionSpec, Value
from beepy.oci import lookup
from beepy.oci.image import Image
from beepy.oci.options import Options, Policy
from beepy.oci.store import Entry
from beepy.session import Run
from beepy.text import safe

_log = Log(__name__)

_NO_VALUES: Mapping[str, Value] = MappingProxyType({})
_NO_TARGETS: Mapping[str, str] = MappingProxyType({})


def open(  # noqa: A001 - as in tarfile and wave
    *images: str | Path | Image | CollectionSpec,
    variables: Mapping[str, Value] = _NO_VALUES,
    filters: str | Sequence[str] = (),
    texts: str | Sequence[str] = (),
    programs: str | Sequence[str] = (),
    targets: Mapping[str, str] = _NO_TARGETS,
    iface: str = "",
    netns: str | int = "",
    cgroup: str | Path = "",
    binary: str | Path = "",
    pid: int | None = None,
    interval: float | None = 1.0,
    timeout: float | None = None,
    count: int | None = None,
    missing: Missing = "fail",
    btf: Btf | str | Path | None = None,
    pins: Pins | None = None,
    pull: Policy = "missing",
    options: Options | None = None,
) -> Run:
    """Find, parse and load images; nothing is attached yet. The caller closes the run: it is a context manager.

    ``images`` are references, paths, names of bundled images, or what ``find`` and ``parse`` return. ``variables`` sets
    global variables, ``filters`` are ``[MAP,]FIELD,REGEX``, ``texts`` are ``[MAP,]FIELD`` of arrays of bytes that are
    text. ``programs`` are the only ones to load, ``targets`` overrules where programs attach (program -> target);
    ``iface``, ``netns``, ``cgroup``, ``binary`` and ``pid`` hold for all programs that take them. Tables are read each
    ``interval`` seconds (None: only through ``run.maps``). The run ends after ``timeout`` seconds or ``count`` rows.
    ``missing``: what to do about a program whose attach point this kernel lacks. ``btf`` are the kernel's types, or a
    file of them. Raises BeepyError.
    """
    common = Target(pid=pid, binary=str(binary), iface=iface, netns=str(netns), cgroup=str(cgroup))
    request = Request(
        images=[str(image) if isinstance(image, Path) else image for image in images],
        options=(options or Options())._replace(pull=pull),
        variables=variables,
        filters=_listed(filters),
        texts=_listed(texts),
        programs=_listed(programs),
        attach=targets,
        common=common,
        pins=pins or Pins(),
        missing=missing,
        btf=btf,
        interval=interval,
        timeout=timeout,
        limit=count,
    )
    return launch(request).run


class OpenOptions(TypedDict, total=False):
    """The keyword arguments of ``open``."""

    variables: Mapping[str, Value]
    filters: str | Sequence[str]
    texts: str | Sequence[str]
    programs: str | Sequence[str]
    targets: Mapping[str, str]
    iface: str
    netns: str | int
    cgroup: str | Path
    binary: str | Path
    pid: int | None
    interval: float | None
    timeout: float | None
    count: int | None
    missing: Missing
    btf: Btf | str | Path | None
    pins: Pins | None
    pull: Policy
    options: Options | None


def run(*images: str | Path | Image | CollectionSpec, **options: Unpack[OpenOptions]) -> Generator[Row, None, None]:
    """Load and attach images, and give their rows one by one, until ``timeout``, ``count``, or the loop is left.

    The arguments are those of ``open``. When the iteration ends, is left, or is interrupted, everything is detached;
    lost records are a warning then. Raises BeepyError.
    """
    with open(*images, **options) as running:
        running.attach()
        yield from running.events()
    for schema, lost in running.stats.lost.items():
        if lost:
            _log.warning("map '%s': %d events lost", safe(schema.map), lost)


def images(options: Options | None = None) -> list[Entry]:
    """Return the images that need no network: the local stores', then the bundled ones."""
    return [entry for entry, _ in lookup.list_images(options or Options())]


def _listed(texts: str | Sequence[str]) -> Sequence[str]:
    return (texts,) if isinstance(texts, str) else texts
