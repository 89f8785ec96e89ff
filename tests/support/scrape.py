"""Read a metrics endpoint, as text and by prometheus_client."""

import http.client
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from tests.support.command import PATIENCE

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_OURS = ("ebpf_solo_io_", "# HELP ebpf_solo_io_", "# TYPE ebpf_solo_io_")

T = TypeVar("T")


class Series(NamedTuple):
    """One sample: its name as prometheus_client has it (a counter's ends in ``_total``)."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


def get(url: str) -> tuple[int, str, str]:
    """Return status, type and text of a page."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


def page(url: str) -> str:
    """Return the text of a metrics page."""
    status, kind, text = get(url)
    assert (status, kind) == (200, CONTENT_TYPE), text
    return text


def ours(text: str) -> str:
    """Return the lines about maps, without those about beepy or bee itself.

    They end in newlines alone: labels may hold much of what splitlines takes for the end of a line.
    """
    lines = [line for line in text.split("\n") if line.startswith(_OURS)]
    return "".join([f"{line}\n" for line in lines])


def series(text: str) -> list[Series]:
    """Return the samples about maps, labels sorted."""
    return [
        Series(sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.name.startswith("ebpf_solo_io_")
    ]


def until(read: Callable[[], T], condition: Callable[[T], bool]) -> T:
    """Read again until what is read fulfils the condition."""
    deadline = time.monotonic() + PATIENCE
    while not condition(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found
