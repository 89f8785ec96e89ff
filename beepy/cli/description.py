"""A description as text for a person, and as JSON."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from beepy.analysis.description import CheckInfo, Description, MapInfo, ProgramInfo, RelocationInfo, VariableInfo
from beepy.analysis.requirements import Requirements
from beepy.features import Feature
from beepy.text import safe
from beepy.width import pad, width, wrap

_PADDED: Final = 40  # columns; a longer cell does not widen its column
_NAMES: Final = 20  # the same for the names of annotations
_MAX_DEFAULT: Final = 40  # characters of a variable's value
_INDENT: Final = 4
_VALUE: Final = re.compile(r" *\S.*?  +")  # what stands before a line's second column


def as_json(described: Sequence[Description]) -> str:
    """Return one object for an image of one program file, else an array of them."""
    plain = [_plain(one) for one in described]
    return json.dumps(plain[0] if len(plain) == 1 else plain, indent=2) + "\n"


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a description
    if hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def as_text(one: Description, most: int | None = None) -> Iterator[str]:
    """Return the lines of a description, wrapped at ``most`` columns (a terminal's), or as they are if None.

    The digest is not wrapped: it is copied as a whole.
    """
    for line in _lines(one):
        if most and width(line) > most and not line.startswith("digest "):
            yield from _wrapped(line, most)
        else:
            yield line


def _wrapped(line: str, most: int) -> list[str]:
    """Break a line between words; it goes on below its second column, or further left where a word needs the room."""
    indent = len(line) - len(line.lstrip()) + _INDENT
    start = _VALUE.match(line)
    column = start.end() if start else indent
    before = width(line[:column])
    if before + max(map(width, line[column:].split()), default=0) > most or before > most // 2:
        before = indent
    return wrap(line, most, " " * before)


def _lines(one: Description) -> Iterator[str]:
    yield from _pairs(
        "",
        [
            ("image", one.name),
            ("digest", one.digest),
            ("format", one.format),
            ("platform", one.platform or "not given"),
            ("size", f"{one.size} bytes"),
            ("license", one.license or "none"),
            *one.annotations.items(),
            ("changes", ", ".join(one.changes) or "nothing but its own maps"),
            *_needs(one.needs),
        ],
    )
    if one.variables:
        yield ""
        yield "variables"
        yield from _table([_variable(variable) for variable in one.variables])
    for found in one.maps:
        if found.fields:
            yield ""
            yield from _map(found)
    for program in one.programs:
        yield ""
        yield from _program(program, one.needs)
    for found in one.maps:
        if not found.fields:
            yield ""
            yield from _map(found)
    if one.externs:
        yield ""
        yield f"externs  {safe(', '.join(one.externs))}"
    if one.relocations:
        yield ""
        yield "relocations"
        yield from _table([_relocation(found) for found in one.relocations])
    if one.check:
        yield ""
        yield from _check(one.check)


def _relocation(one: RelocationInfo) -> tuple[str, ...]:
    return one.program, f"{one.instruction}", one.kind, one.access, one.resolved or ""


def _program(one: ProgramInfo, of_image: Requirements) -> Iterator[str]:
    yield f"program {safe(one.name)}"
    state = "" if one.autoload else " (not loaded by default)"
    if not one.type:
        state += " (unknown section)"
    yield from _pairs(
        "  ",
        [
            ("section", one.section + state),
            ("type", one.type or "unknown"),
            *([("attaches to", one.target)] if one.target else []),
            ("instructions", f"{one.instructions}"),
            ("helpers", ", ".join(one.helpers) or "none"),
            *([("kernel symbols", ", ".join(one.externs))] if one.externs else []),
            *_other_needs(one.needs, of_image),
        ],
    )


def _needs(needs: Requirements) -> Iterator[tuple[str, str]]:
    if needs.kernel:
        yield "kernel", _kernel(needs)
    if needs.types:
        yield "kernel types", _types(needs)
    yield from _capabilities(needs)


def _other_needs(needs: Requirements, of_image: Requirements) -> Iterator[tuple[str, str]]:
    """Yield what a program needs where it is not the same as for the whole image."""
    if _kernel(needs) != _kernel(of_image):
        yield "kernel", _kernel(needs)
    if needs.types != of_image.types:
        yield "kernel types", _types(needs)
    if needs.capabilities != of_image.capabilities:
        yield from _capabilities(needs)


def _kernel(needs: Requirements) -> str:
    return f"{needs.kernel} or newer: {', '.join(needs.because)}" if needs.kernel else "any"


def _types(needs: Requirements) -> str:
    return "needed (CONFIG_DEBUG_INFO_BTF; for relocations --btf FILE will do)" if needs.types else "not needed"


def _capabilities(needs: Requirements) -> Iterator[tuple[str, str]]:
    lines = [f"{one.name} ({one.reason})" for one in needs.capabilities]
    lines.append(f"before {Feature.MEMCG_ACCOUNT.since}: CAP_SYS_RESOURCE (memory)")
    if any(one.name == "CAP_BPF" for one in needs.capabilities):
        lines.append(f"before {Feature.CAP_BPF.since}: CAP_SYS_ADMIN, not CAP_BPF")
    for number, line in enumerate(lines):
        yield "" if number else "capabilities", line


def _check(one: CheckInfo) -> Iterator[str]:
    yield f"check  {safe(one.kernel)}: {'it runs' if one.runs else 'it does not run'}"
    for text in one.errors:
        yield f"  error: {safe(text)}{' (--missing skip leaves it out)' if text in one.skipped else ''}"
    for text in one.warnings:
        yield f"  warning: {safe(text)}"


def _map(one: MapInfo) -> Iterator[str]:
    yield f"map {safe(one.name)}"
    yield from _pairs(
        "  ",
        [
            ("section", one.section),
            ("type", one.type + (f" ({one.flags})" if one.flags else "")),
            ("sizes", _sizes(one)),
            *([("key", one.key_type)] if one.key_type else []),
            *([("value", one.value_type)] if one.value_type else []),
            *([("pinned", f"{one.pinned} (a map that is there already is used)")] if one.pinned else []),
            *([("role", one.role)] if one.role else []),
            *([("not shown", one.not_shown)] if one.not_shown else []),
            *([("metric", f"{one.metric}{{{','.join(one.labels)}}}")] if one.metric else []),
        ],
    )
    if one.fields:
        yield "  fields"
        yield from _table(
            [(field.name, field.type, _place(field.offset_bits, field.bits), field.part) for field in one.fields]
        )


def _sizes(one: MapInfo) -> str:
    key_and_value = f"key {one.key_size}, value {one.value_size} bytes"
    match one.type:
        case "ringbuf" | "user_ringbuf":
            return f"{one.max_entries} bytes"
        case "arena":
            return f"{one.max_entries} pages"
        case "perf_event_array" if not one.max_entries:
            return f"{key_and_value}, one entry per CPU"
        case "sk_storage" | "inode_storage" | "task_storage" | "cgrp_storage":  # as many as there are of these
            return key_and_value
        case _:
            return f"{key_and_value}, {one.max_entries} entries"


def _place(offset: int, bits: int) -> str:
    if offset % 8 or bits % 8:
        return f"bits {offset}..{offset + bits - 1}"
    return f"{bits // 8} bytes at {offset // 8}"


def _variable(one: VariableInfo) -> tuple[str, ...]:
    return one.name, one.type, f"= {_default(one)}", one.map + (" (fixed at load)" if one.const else "")


def _default(one: VariableInfo) -> str:
    """Return a variable's value as JSON; of a long one the beginning and its size."""
    if one.default is None:
        return f"({one.size} bytes)"
    text = json.dumps(one.default)
    return text if len(text) <= _MAX_DEFAULT else f"{text[: _MAX_DEFAULT - 3]}... ({one.size} bytes)"


def _pairs(indent: str, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    (columns,) = _widths([(safe(name),) for name, _ in pairs], _NAMES)
    for name, value in pairs:
        yield f"{indent}{pad(safe(name), columns)}  {safe(value)}".rstrip()


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = [tuple(map(safe, row)) for row in rows]
    widths = _widths(rows, _PADDED)
    for row in rows:
        cells = [pad(cell, columns) for cell, columns in zip(row, widths, strict=True)]
        yield (" " * _INDENT + "  ".join(cells)).rstrip()


def _widths(rows: Sequence[tuple[str, ...]], most: int) -> list[int]:
    """Return the width of each column; a cell of more than ``most`` columns only moves the rest of its own row."""
    return [
        max([columns for columns in map(width, column) if columns <= most], default=0)
        for column in zip(*rows, strict=True)
    ]
