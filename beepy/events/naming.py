"""What the metric of a map and its labels are called: for the page of metrics, and for ``describe``."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from beepy.obj.spec import Role

VALUE_FIELDS: Final[Mapping[Role, str]] = {Role.HIST: "le", Role.GAUGE: "value"}
"""The field of a record that holds the metric's number, unless -k names another."""

_NO_NAME = "[^a-zA-Z0-9_]"


def metric_name(map_name: str) -> str:
    """Return bee's name for the metric of a map."""
    return "ebpf_solo_io_" + re.sub(_NO_NAME, "_", map_name)


def label_names(names: Iterable[str], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a valid and distinct label name for each of ``names``, none of them in ``taken``.

    A name that exists already gets ``_`` appended. Names that begin with two underscores are Prometheus' own.
    """
    used = set(taken)
    tails: dict[str, int] = {}  # name -> how many "_" were last appended to it
    given = []
    for name in names:
        valid = re.sub(_NO_NAME, "_", name)
        if not valid.strip("_"):
            valid = "unnamed"
        if valid[0].isdigit():
            valid = "_" + valid
        if valid.startswith("__"):
            valid = "_" + valid.lstrip("_")
        distinct = valid
        while distinct in used:
            tails[valid] = tails.get(valid, 0) + 1
            distinct = valid + "_" * tails[valid]
        used.add(distinct)
        given.append(distinct)
    return tuple(given)
