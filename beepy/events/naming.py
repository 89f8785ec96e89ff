"""Make names of labels that Prometheus allows: for the page of metrics, and for ``describe``."""

import re
from collections.abc import Iterable
from typing import Final

_INVALID: Final = "[^a-zA-Z0-9_]"


def label_names(names: Iterable[str], reserved: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a valid and distinct label name for each of ``names``, none of them in ``reserved``.

    A name that exists already gets ``_`` appended. Names that begin with two underscores are
    Prometheus' own.
    """
    used = set(reserved)
    appended: dict[str, int] = {}  # name -> how many "_" it got last: many names may be the same
    distinct_names = []
    for name in names:
        valid = re.sub(_INVALID, "_", name)
        if not valid.strip("_"):
            valid = "unnamed"
        if valid[0].isdigit():
            valid = "_" + valid
        if valid.startswith("__"):
            valid = "_" + valid.lstrip("_")
        distinct = valid
        while distinct in used:
            appended[valid] = appended.get(valid, 0) + 1
            distinct = valid + "_" * appended[valid]
        used.add(distinct)
        distinct_names.append(distinct)
    return tuple(distinct_names)
