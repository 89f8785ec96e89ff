"""Names of labels as Prometheus allows them: for the page of metrics, and for ``describe``."""

import re
from collections.abc import Iterable
from typing import Final

_NO_NAME: Final = "[^a-zA-Z0-9_]"


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
