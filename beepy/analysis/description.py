"""The facts that ``describe`` collects; field names are the keys of ``describe -o json``."""

from typing import NamedTuple

from beepy.analysis.delegation import Delegation
from beepy.analysis.loss_counts import LossCount
from beepy.analysis.requirements import Capability, Requirements
from beepy.events.codec import Value


class ProgramInfo(NamedTuple):
    """A program; ``type`` is "" for an unknown section, ``target`` "" if the section names none.

    ``changes`` is what it can change besides its own maps. ``needs`` includes the maps that it
    uses. ``besides_token`` are the capabilities that it needs if a BPF token loads it.
    """

    name: str
    section: str
    type: str
    target: str
    autoload: bool
    instructions: int
    helpers: tuple[str, ...]
    externs: tuple[str, ...]
    changes: tuple[str, ...]
    needs: Requirements
    besides_token: tuple[Capability, ...]


class FieldInfo(NamedTuple):
    """A field, as outputs name it; its offset counts from the start of ``part``.

    ``part`` is "record" for streams and iterators; "key", "value" or "cpu" for tables.
    """

    name: str
    type: str
    offset_bits: int
    bits: int
    part: str


class MetricInfo(NamedTuple):
    """A metric of the page; ``type`` is counter, gauge or histogram."""

    name: str
    type: str
    labels: tuple[str, ...]


class MapInfo(NamedTuple):
    """A map; ``role``, ``metrics`` and ``fields`` only if the convention tracks it.

    ``metric`` and ``labels`` are those of the first metric.

    ``not_shown`` is why a map with a role is not shown, None if it is. ``pinned`` is the path where
    the object pins it by name and reuses a map that is pinned there, None if it does not.
    ``endless`` are the labels that have ever more values while the machine runs. ``derived`` are
    the fields that can be asked for besides ``fields``. ``record_type`` is the type that a buffer's
    records are shown with, "" for other maps;
    ``type_reason`` says why, if the map does not declare the types that it is shown with.
    ``losses`` is how a run counts what it loses, None if it is not shown.
    """

    name: str
    section: str
    type: str
    key_type: str
    value_type: str
    key_size: int
    value_size: int
    max_entries: int
    flags: str
    pinned: str | None
    record_type: str
    type_reason: str | None
    role: str | None
    not_shown: str | None
    metric: str | None
    labels: tuple[str, ...]
    metrics: tuple[MetricInfo, ...]
    endless: tuple[str, ...]
    losses: LossCount | None
    fields: tuple[FieldInfo, ...]
    derived: tuple[str, ...]


class IteratorInfo(NamedTuple):
    """An iterator: its ``programs`` write structs of the type ``record_type``."""

    name: str
    programs: tuple[str, ...]
    record_type: str
    fields: tuple[FieldInfo, ...]


class VariableInfo(NamedTuple):
    """A global variable; ``const``: fixed at load. ``default`` is None if it cannot be shown."""

    name: str
    map: str
    type: str
    size: int
    const: bool
    default: "Value | dict[str, Value]"


class ParameterInfo(NamedTuple):
    """A variable under the name that the image's format has for it.

    ``default`` and ``description`` are the format's own words, "" for none.
    """

    name: str
    variable: str
    default: str
    description: str


class RelocationInfo(NamedTuple):
    """A CO-RE relocation; ``resolved`` is its result on one kernel, None if it was not resolved."""

    program: str
    instruction: int
    kind: str
    access: str
    resolved: str | None


class CheckInfo(NamedTuple):
    """Whether a kernel can run the object; warnings are of code that may never be reached.

    ``skipped`` are the errors that ``run --missing skip`` turns into warnings.
    """

    kernel: str
    runs: bool
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    skipped: tuple[str, ...]


class Description(NamedTuple):
    """One object of an image; ``changes`` is what it can change besides its own maps.

    ``convention`` says how it is known what the maps mean, ``unsupported`` which parts of the image
    have no effect. ``token`` is what a BPF token must delegate. ``check`` is None unless a kernel
    was checked.
    """

    name: str
    digest: str
    format: str
    convention: str
    unsupported: tuple[str, ...]
    platform: str
    size: int
    annotations: dict[str, str]
    license: str
    changes: tuple[str, ...]
    programs: tuple[ProgramInfo, ...]
    maps: tuple[MapInfo, ...]
    iterators: tuple[IteratorInfo, ...]
    parameters: tuple[ParameterInfo, ...]
    variables: tuple[VariableInfo, ...]
    externs: tuple[str, ...]
    relocations: tuple[RelocationInfo, ...]
    needs: Requirements
    token: Delegation
    check: CheckInfo | None
