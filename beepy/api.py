"""The public functions that do a whole run: what ``beepy run`` does, from Python."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack

from beepy import arguments
from beepy.btf.btf import Btf
from beepy.collection.missing import Missing
from beepy.errors import UsageError
from beepy.events.row import Row, Rows
from beepy.hooks.target import Target
from beepy.image_api import expect_types, verifying
from beepy.launch import launch
from beepy.log import Log
from beepy.obj.pinning import Pins
from beepy.obj.spec import CollectionSpec, Value
from beepy.oci import lookup
from beepy.oci.image import Image
from beepy.oci.options import Options, PullPolicy
from beepy.oci.signatures.signer import Signer
from beepy.request import RunRequest
from beepy.selecting import Subjects
from beepy.session import Run
from beepy.text import safe
from beepy.trace.lines import TraceLine

if TYPE_CHECKING:
    from beepy.events.arrangement import Arrangement  # few runs arrange

_log = Log(__name__)

_INTERVAL: Final = 1.0  # seconds; images may say another

_NO_VALUES: Mapping[str, Value] = MappingProxyType({})
_NO_TYPES: Mapping[str, str] = MappingProxyType({})
_NO_SIZES: Mapping[str, int | str] = MappingProxyType({})
_NO_TARGETS: Mapping[str, str] = MappingProxyType({})


def open(  # noqa: A001 - as in tarfile and wave
    *images: str | Path | Image | CollectionSpec,
    variables: Mapping[str, Value] = _NO_VALUES,
    filters: str | Sequence[str] = (),
    where: str | Sequence[str] = (),
    fields: str | Sequence[str] = (),
    sort: str | Sequence[str] = (),
    limit: int | None = None,
    raw: bool = False,
    texts: str | Sequence[str] = (),
    programs: str | Sequence[str] = (),
    types: Mapping[str, str] = _NO_TYPES,
    map_sizes: Mapping[str, int | str] = _NO_SIZES,
    targets: Mapping[str, str] = _NO_TARGETS,
    iface: str = "",
    netns: str | int = "",
    binary: str | Path = "",
    pid: int | Sequence[int] | None = None,
    comm: str | Sequence[str] = (),
    uid: int | Sequence[int] | None = None,
    cgroup: str | Path | Sequence[str | Path] = (),
    container: str | Sequence[str] = (),
    pod: str | Sequence[str] = (),
    unit: str | Sequence[str] = (),
    interval: float | Literal["image"] | None = "image",
    timeout: float | None = None,
    count: int | None = None,
    until: str = "",
    cost: bool = False,
    max_overhead: float | None = None,
    shed: bool = False,
    trace: Callable[[TraceLine], None] | None = None,
    missing: Missing | None = None,
    btf: Btf | str | Path | None = None,
    pins: Pins | None = None,
    rewrite: bool = True,
    pull: PullPolicy | None = None,
    verify: bool | Signer | Sequence[Signer] = False,
    policy: str | Path | None = None,
    read_only: bool = False,
    options: Options | None = None,
) -> Run:
    """Find, parse and load images, and return a run; nothing is attached yet.

    The caller closes the run: it is a context manager.

    ``images`` are references, paths, names of bundled images, or what ``find`` and ``parse``
    return. ``programs`` are the only ones to load, ``targets`` overrides where programs attach
    (program -> target); ``iface``, ``netns`` and ``binary`` hold for all programs that take them.
    ``variables`` sets global variables. ``types`` are the types of maps' records by map, such as
    ``"struct event"``; ``map_sizes`` are bytes of rings, entries of other maps, as numbers or as
    ``"16M"``. ``missing``: what to do about a program whose attach point this kernel lacks.
    ``btf`` are the kernel's types, or a file of them. ``rewrite``: programs get code that counts
    what they lose.

    ``filters`` are ``[MAP,]FIELD,REGEX``, ``where`` are expressions. ``fields`` are what rows have:
    ``[MAP:]FIELD,FIELD``, or ``-FIELD`` for all but it; ``sort`` is the order of each reading of a
    table, ``[MAP:][-]FIELD``, ``limit`` the rows that are shown of it. ``raw``: enums are
    numbers. ``texts`` are ``[MAP,]FIELD`` of arrays of bytes that are text. ``pid``, ``comm``,
    ``uid``, ``cgroup`` (a directory), ``container``, ``pod`` and ``unit`` choose whose events are
    shown, each one or several. Tables are read each ``interval`` seconds ("image": as often as the
    image says, else each second; None: only at the end, and through ``run.maps``). The run ends
    after ``timeout`` seconds or ``count`` rows, or with the first row for which the expression
    ``until`` is true.

    ``cost``: measure what the programs cost (``run.stats.cost``); if they take more than
    ``max_overhead`` of one CPU (0.02: 2 %), they are detached, and the iteration ends with
    OverheadError; with ``shed`` they run for some threads only, until they take less. ``trace`` is
    called with each line that programs print, in a thread of its own.

    ``pull`` is when a registry is asked, in place of ``options.pull``. ``verify`` is who must have
    signed the images, True for those whom the policy names; ``policy`` is a file that says which
    images may be used. ``read_only`` refuses programs that can change more than their own maps.

    Raises BeepyError, TypeError for an argument of a wrong type.
    """
    if not images:
        raise UsageError("images: expected at least one, got none")
    arguments.expect(
        "images",
        images,
        "a name, a path, an Image or a CollectionSpec",
        str | Path | Image | CollectionSpec,
    )
    arguments.expect("variables", [variables], "a mapping of names to values", Mapping)
    expect_types(types)
    sizes = "a mapping of maps to sizes"
    arguments.expect_values(
        "map_sizes", map_sizes, sizes, "a number or text for each map", int | str
    )
    programs_to = "a mapping of programs to what they attach to"
    arguments.expect_values("targets", targets, programs_to, "a text for each program", str)
    for name, text in {"iface": iface, "netns": netns, "binary": binary}.items():
        arguments.expect(name, [text], "a text", str | int if name == "netns" else str | Path)
    interval_s = _INTERVAL if interval == "image" else interval
    for name, seconds in {"interval": interval_s, "timeout": timeout}.items():
        if seconds is not None:
            arguments.expect_seconds(name, seconds)
    arguments.expect_positive("count", count)
    arguments.expect("until", [until], "an expression", str)
    arguments.expect("rewrite", [rewrite], "True or False", bool)
    arguments.expect_positive("max_overhead", max_overhead, int | float)
    if shed and max_overhead is None:
        raise UsageError("shed: expected max_overhead too")
    if trace is not None and not callable(trace):
        raise arguments.wrong_type("trace", "a function", trace)
    arguments.expect("btf", [btf], "a path, or types", Btf | str | Path | None)
    arguments.expect("pins", [pins], "Pins(...)", Pins | None)
    arguments.expect("options", [options], "Options(...)", Options | None)
    chosen = options or Options()
    chosen = verifying(
        chosen if pull is None else chosen._replace(pull=pull), policy, verify=verify
    )
    is_asked = chosen.verify or chosen.policy is not None
    if is_asked and not all(isinstance(image, str | Path) for image in images):
        raise UsageError("verify: expected images by name or path: others are not verified here")
    common = Target(binary=str(binary), iface=iface, netns=str(netns))
    directories = (cgroup,) if isinstance(cgroup, str | Path) else cgroup
    arguments.expect("cgroup", directories, "a path, or several", str | Path)
    subjects = Subjects(
        pids=arguments.numbers("pid", pid, 1, arguments.MAX_PID),
        uids=arguments.numbers("uid", uid, 0, arguments.MAX_UID),
        comms=tuple(arguments.listed("comm", comm)),
        cgroups=tuple(map(str, directories)),
        containers=tuple(arguments.listed("container", container)),
        pods=tuple(arguments.listed("pod", pod)),
        units=tuple(arguments.listed("unit", unit)),
    )
    request = RunRequest(
        images=[
            lookup.find(image, chosen) if isinstance(image, Path) else image for image in images
        ],
        options=chosen,
        variables=variables,
        filters=arguments.listed("filters", filters),
        wheres=arguments.listed("where", where),
        arrangement=_arrangement(fields, sort, limit, raw=raw),
        texts=arguments.listed("texts", texts),
        programs=arguments.listed("programs", programs),
        types=types,
        map_sizes=map_sizes,
        attach=targets,
        common=common,
        subjects=subjects if any(subjects) else None,
        pins=pins or Pins(),
        missing=missing,
        btf=btf,
        interval=interval_s,
        own_intervals=interval == "image",
        timeout=timeout,
        limit=count,
        until=until,
        rewrite=rewrite,
        cost=bool(cost),
        max_overhead=max_overhead,
        shed=bool(shed),
        trace=trace,
        read_only=bool(read_only),
    )
    return launch(request).run


def replay(
    path: str | Path,
    *,
    filters: str | Sequence[str] = (),
    where: str | Sequence[str] = (),
    fields: str | Sequence[str] = (),
    sort: str | Sequence[str] = (),
    limit: int | None = None,
    raw: bool = False,
    speed: float | None = None,
    count: int | None = None,
    until: str = "",
) -> Run:
    """Return the run of a recording (``--record``), which needs no privilege.

    The caller closes the run. ``filters``, ``where``, ``fields``, ``sort``, ``limit``, ``raw``,
    ``count`` and ``until`` are those of ``open``; ``speed`` is how many seconds of the recording
    pass in one (None: all at once). Raises RecordingError, UsageError.
    """
    from beepy.chosen import Chosen  # noqa: PLC0415 - a run needs none of it
    from beepy.launch import replay as launch_replay  # noqa: PLC0415 - as above

    arguments.expect("path", [path], "a path", str | Path)
    arguments.expect("until", [until], "an expression", str)
    arguments.expect_positive("count", count)
    arguments.expect_positive("speed", speed, int | float)
    chosen = Chosen(arguments.listed("filters", filters), arguments.listed("where", where))
    arrangement = _arrangement(fields, sort, limit, raw=raw)
    return launch_replay(
        str(path),
        chosen,
        arrangement=arrangement,
        limit=count,
        until=until,
        speed=speed,
    ).run


class OpenOptions(TypedDict, total=False):
    """The keyword arguments of ``open``."""

    variables: Mapping[str, Value]
    filters: str | Sequence[str]
    where: str | Sequence[str]
    fields: str | Sequence[str]
    sort: str | Sequence[str]
    limit: int | None
    raw: bool
    texts: str | Sequence[str]
    programs: str | Sequence[str]
    types: Mapping[str, str]
    map_sizes: Mapping[str, int | str]
    targets: Mapping[str, str]
    iface: str
    netns: str | int
    binary: str | Path
    pid: int | Sequence[int] | None
    comm: str | Sequence[str]
    uid: int | Sequence[int] | None
    cgroup: str | Path | Sequence[str | Path]
    container: str | Sequence[str]
    pod: str | Sequence[str]
    unit: str | Sequence[str]
    interval: float | Literal["image"] | None
    timeout: float | None
    count: int | None
    until: str
    cost: bool
    max_overhead: float | None
    shed: bool
    trace: Callable[[TraceLine], None] | None
    missing: Missing | None
    btf: Btf | str | Path | None
    pins: Pins | None
    rewrite: bool
    pull: PullPolicy | None
    verify: bool | Signer | Sequence[Signer]
    policy: str | Path | None
    read_only: bool
    options: Options | None


def run(
    *images: str | Path | Image | CollectionSpec,
    top: int | None = None,
    by: str | Sequence[str] = "",
    every: float = 0,
    total: str = "",
    average: str = "",
    **options: Unpack[OpenOptions],
) -> Generator[Row, None, None]:
    """Load and attach images, and yield their rows until ``timeout`` or ``count``.

    The arguments are those of ``open``. With ``top``, the rows are the largest groups ``by`` some
    fields, as of ``Run.top``. When the iteration ends, or the caller breaks or interrupts
    it, everything is detached, and known losses are warnings; errors come with the first row. A
    loop that is left early does not read what is still in the buffers. Raises BeepyError.
    """
    if top is None and (by or every or total or average):
        raise UsageError("by: expected top, too")
    with open(*images, **options) as running:
        shown: Iterable[Rows] = running
        if top is not None:
            fields = ",".join(arguments.listed("by", by))
            shown = running.top(top, fields, every=every, total=total, average=average)
        running.attach()
        try:
            yield from chain.from_iterable(shown)
        finally:
            for schema, lost in running.stats.lost.items():
                if lost:
                    _log.warning("map '%s': %d events lost", safe(schema.map), lost)
            for (_, place), lost in running.stats.lost_at.items():
                if lost:
                    _log.warning("%s: %d events lost", place, lost)


def _arrangement(
    fields: str | Sequence[str], sort: str | Sequence[str], limit: int | None, *, raw: bool
) -> "Arrangement | None":
    """Return how rows are arranged, None if no argument says so."""
    arguments.expect_positive("limit", limit)
    texts = arguments.choices("fields", fields), arguments.listed("sort", sort)
    if not any(texts) and limit is None and not raw:
        return None
    from beepy.events.arrangement import Arrangement  # noqa: PLC0415 - few runs arrange

    return Arrangement(*texts, limit, bool(raw))
