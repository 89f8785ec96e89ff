"""What the YAML of ebpf_exporter says of an object: metrics, and what to do before programs run.

``conventions.exporter`` makes these values. Metrics go with the schema of their map to the outputs;
the rest is done where programs are loaded and attached.
"""

from enum import StrEnum
from typing import NamedTuple


class Step(NamedTuple):
    """One decoder of a label: it makes a text of the bytes, or another text of a text.

    ``static_map`` and ``regexps`` are None where the YAML has none. ``allow_unknown``: a text that
    is not in ``static_map`` is kept.
    """

    name: str
    static_map: tuple[tuple[str, str], ...] | None = None
    regexps: tuple[str, ...] | None = None
    allow_unknown: bool = False


class Label(NamedTuple):
    """A label, and where its value is: ``size`` bytes, after which ``padding`` bytes are left out.

    The first label begins at the first byte of a key or record, each other one after its
    predecessor.
    """

    name: str
    size: int
    padding: int
    steps: tuple[Step, ...]

    @property
    def span(self) -> int:
        """The bytes of the label and of the padding after it."""
        return self.size + self.padding


class Scale(StrEnum):
    """How the upper bound of a bucket is made of its number."""

    EXP2 = "exp2"
    EXP2_ZERO = "exp2zero"
    LINEAR = "linear"
    FIXED = "fixed"


class Buckets(NamedTuple):
    """The buckets of a histogram, whose number is the value of the last label.

    ``numbers`` are those that are counted, in their order; ``bounds`` are the upper bounds. An
    entry with the number ``total`` holds the sum of all values, to be multiplied by ``multiplier``.
    """

    scale: Scale
    numbers: tuple[float, ...]
    bounds: tuple[float, ...]
    total: float
    multiplier: float


class MetricPlan(NamedTuple):
    """A metric that a map feeds: a histogram if it has ``buckets``, else a counter.

    ``config`` is the name of the YAML's file, without its ending. ``labels`` of a histogram end
    with that of the bucket, which is no label of the metric. ``percpu``: the map has a value for
    each CPU, and the last label is the number of the CPU, which is not in the key. A counter of
    events is emptied each ``flush_s`` seconds.
    """

    config: str
    name: str
    help: str
    labels: tuple[Label, ...]
    buckets: Buckets | None = None
    percpu: bool = False
    flush_s: float = 0.0


class CgroupIds(NamedTuple):
    """A map that holds the cgroups whose paths match one of ``regexps``, for programs to look up.

    ``storage``: it is a map of the type CGRP_STORAGE, else its keys are the ids of cgroups.
    """

    map: str
    regexps: tuple[str, ...]
    storage: bool = False


class ExporterConfig(NamedTuple):
    """What an object needs besides its metrics, as ebpf_exporter does it.

    The variable ``kaddr_NAME`` gets the address of each symbol NAME in ``kaddrs``.
    """

    name: str
    kaddrs: tuple[str, ...] = ()
    cgroup_ids: CgroupIds | None = None
