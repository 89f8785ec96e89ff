"""What the catalogue says of an image: the facts of ``describe`` that one chooses by."""

from collections.abc import Iterator, Sequence
from typing import Final

from beepy.analysis.description import Description, IteratorInfo, MapInfo
from beepy.text import excerpt, safe
from beepy.tui.catalogue_items import Fact
from beepy.width import pad, wrap

_MAX_FACTS: Final = 200  # lines of one image
_MAX_TEXT: Final = 2000  # characters of a line
_MAX_LISTED: Final = 12  # attach points
_ROLES: Final = {"counter": "counter", "gauge": "gauge", "hist": "histogram"}
_LABEL: Final = 13  # columns


def of_image(descriptions: Sequence[Description], options: Sequence[str] = ()) -> list[Fact]:
    """Return what is known of the objects of an image, in the order in which one reads it.

    ``options`` are the names of its own.
    """
    facts = [fact for description in descriptions for fact in _of_object(description)]
    facts[_first_end(facts) : _first_end(facts)] = _listed("options", options)
    return [*facts[:_MAX_FACTS], *_origin(descriptions[0])] if descriptions else []


def lines(facts: Sequence[Fact], columns: int) -> list[tuple[str, str]]:
    """Return the lines of the facts in so many columns, each as its label and its text."""
    shown = []
    for fact in facts:
        text = safe(fact.text)[:_MAX_TEXT]
        first, *rest = wrap(text, max(columns - _LABEL, 8), "  ")
        shown.append((pad(excerpt(fact.label, _LABEL - 1), _LABEL), first))
        shown += [(" " * _LABEL, line) for line in rest]
    return shown


def _of_object(description: Description) -> Iterator[Fact]:
    label = "shows"
    for text in (*map(_map, _shown(description)), *map(_iterator, description.iterators)):
        yield Fact(label, text)
        label = ""
    if label:
        yield Fact(label, "nothing: no map of it has a meaning (beepy describe says why)")
    yield from _listed("attaches to", [_program(info) for info in _attached(description)])
    yield Fact("can change", ", ".join(description.changes) or "nothing but its own maps")
    needs = description.needs
    kernel = f"Linux {needs.kernel} or newer" if needs.kernel else "any Linux with BPF"
    because = f" ({', '.join(needs.because)})" if needs.because else ""
    types = ", and its types (BTF)" if needs.types else ""
    yield Fact("needs", f"{kernel}{because}{types}")
    capabilities = ", ".join([capability.name for capability in needs.capabilities])
    if capabilities:
        yield Fact("", f"root, or {capabilities}")
    for text in description.unsupported:
        yield Fact("ignored", text)
    hidden = [f"{info.name} ({info.not_shown})" for info in description.maps if info.not_shown]
    yield from _listed("not shown", hidden)


def _first_end(facts: Sequence[Fact]) -> int:
    """Return where what the image shows ends."""
    labels = [number for number, fact in enumerate(facts) if fact.label not in {"shows", ""}]
    return next(iter(labels), len(facts))


def _shown(description: Description) -> list[MapInfo]:
    return [info for info in description.maps if info.fields and not info.not_shown]


def _map(info: MapInfo) -> str:
    role = _ROLES.get(info.role or "")
    if role is None:
        is_stream = any(field.part == "record" for field in info.fields)
        names = ", ".join([field.name for field in info.fields])
        reason = f" ({info.type_reason})" if info.type_reason else ""
        return f"{info.name}: {'rows' if is_stream else 'table'} of {names}{reason}"
    by = f" by {', '.join(info.labels)}" if info.labels else ""
    metric = f"; metric {info.metric}" if info.metric else ""
    return f"{info.name}: {role}{by}{metric}"


def _iterator(info: IteratorInfo) -> str:
    return f"{info.name}: rows of {', '.join([field.name for field in info.fields])}"


def _attached(description: Description) -> list[tuple[str, str]]:
    """Return the attach points of the programs that are loaded, as section and target, once."""
    return list(dict.fromkeys([(p.section, p.target) for p in description.programs if p.autoload]))


def _program(info: tuple[str, str]) -> str:
    section, target = info
    return section if target in section else f"{section} {target}"


def _listed(label: str, texts: Sequence[str]) -> Iterator[Fact]:
    if texts:
        more = f", and {len(texts) - _MAX_LISTED} more" if len(texts) > _MAX_LISTED else ""
        yield Fact(label, f"{', '.join(texts[:_MAX_LISTED])}{more}")


def _origin(description: Description) -> Iterator[Fact]:
    yield Fact("license", description.license or "none")
    yield Fact("format", f"{description.format}, {description.platform or 'any platform'}")
    yield Fact("digest", description.digest)
