"""Format descriptions of images as text and as JSON."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from beepy.analysis.delegation import Delegation, options
from beepy.analysis.description import (
    CheckInfo,
    Description,
    FieldInfo,
    MapInfo,
    ParameterInfo,
    ProgramInfo,
    RelocationInfo,
    VariableInfo,
)
from beepy.analysis.loss_counts import EXACT, KERNEL, NOTHING, PROGRAMS, UNKNOWN, LossCount
from beepy.analysis.requirements import Capability, Requirements
from beepy.features import Feature
from beepy.oci.manifest import OCI_PREFIX
from beepy.text import brief, safe
from beepy.width import pad, width, wrap

_MAX_CELL: Final = 40  # columns; a longer cell does not widen its column
_MAX_NAME: Final = 20  # columns; the same for the names in a list of pairs
_MAX_DEFAULT: Final = 40  # characters of a variable's value
_MAX_DESCRIPTION: Final = 200  # characters of a parameter's
_INDENT: Final = 4
_LOSSES: Final = {
    EXACT: "counted by code that beepy adds to the programs",
    NOTHING: "none",
    KERNEL: "counted by the kernel",
    PROGRAMS: "counted by the programs",
    UNKNOWN: "not counted",
}
_FIRST_COLUMN: Final = re.compile(r" *\S.*?  +")  # of a line, with the blanks after it


def as_json(descriptions: Sequence[Description]) -> str:
    """Return one object for an image of one ELF object, else an array of them."""
    plain = [_plain(description) for description in descriptions]
    return json.dumps(plain[0] if len(plain) == 1 else plain, indent=2) + "\n"


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a description
    if isinstance(value, ParameterInfo):
        return {**value._asdict(), "option": _option(value)}
    if hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def as_text(description: Description, max_width: int | None = None) -> Iterator[str]:
    """Return the lines of a description, wrapped at ``max_width`` columns if given.

    The digest is not wrapped, so that it can be copied.
    """
    for line in _lines(description):
        if max_width and width(line) > max_width and not line.startswith("digest "):
            yield from _wrapped(line, max_width)
        else:
            yield line


def _wrapped(line: str, max_width: int) -> list[str]:
    """Wrap a line between words and align it to its second column.

    If that leaves too little room, or none for the longest word, continue further left.
    """
    indent = len(line) - len(line.lstrip()) + _INDENT
    first_column = _FIRST_COLUMN.match(line)
    start = first_column.end() if first_column else indent
    hanging = width(line[:start])
    longest = max(map(width, line[start:].split()), default=0)
    if hanging + longest > max_width or hanging > max_width // 2:
        hanging = indent
    return wrap(line, max_width, " " * hanging)


def _lines(description: Description) -> Iterator[str]:
    annotations = description.annotations.items()
    yield from _pairs(
        "",
        [
            ("image", description.name),
            ("digest", description.digest),
            ("format", description.format),
            ("platform", description.platform or "not given"),
            ("size", f"{description.size} bytes"),
            ("license", description.license or "none"),
            *[(name.removeprefix(OCI_PREFIX), text) for name, text in annotations],
            ("convention", description.convention or "none"),
            *[("not supported", text) for text in description.unsupported],
            ("changes", ", ".join(description.changes) or "nothing but its own maps"),
            *_requirements(description.needs),
            *_token(description.token),
        ],
    )
    if description.parameters:
        yield ""
        yield "parameters"
        yield from _table([_parameter(parameter) for parameter in description.parameters])
    if description.variables:
        yield ""
        yield "variables"
        yield from _table([_variable(variable) for variable in description.variables])
    for info in description.maps:
        if info.fields:
            yield ""
            yield from _map(info)
    for iterator in description.iterators:
        yield ""
        yield f"iterator {safe(iterator.name)}"
        programs = ", ".join(iterator.programs)
        yield from _pairs("  ", [("programs", programs), ("record type", iterator.record_type)])
        yield from _fields(iterator.fields)
    for program in description.programs:
        yield ""
        yield from _program(program, description.needs)
    for info in description.maps:
        if not info.fields:
            yield ""
            yield from _map(info)
    if description.externs:
        yield ""
        yield f"externs  {safe(', '.join(description.externs))}"
    if description.relocations:
        yield ""
        yield "relocations"
        yield from _table([_relocation(relocation) for relocation in description.relocations])
    if description.check:
        yield ""
        yield from _check(description.check)


def _relocation(info: RelocationInfo) -> tuple[str, ...]:
    return info.program, f"{info.instruction}", info.kind, info.access, info.resolved or ""


def _program(program: ProgramInfo, of_image: Requirements) -> Iterator[str]:
    yield f"program {safe(program.name)}"
    state = "" if program.autoload else " (not loaded by default)"
    if not program.type:
        state += " (unknown section)"
    yield from _pairs(
        "  ",
        [
            ("section", program.section + state),
            ("type", program.type or "unknown"),
            *([("attaches to", program.target)] if program.target else []),
            ("instructions", f"{program.instructions}"),
            ("helpers", ", ".join(program.helpers) or "none"),
            *([("kernel symbols", ", ".join(program.externs))] if program.externs else []),
            *_different_requirements(program.needs, of_image),
            ("with a token", _besides(program.besides_token)),
        ],
    )


def _requirements(required: Requirements) -> Iterator[tuple[str, str]]:
    if required.kernel:
        yield "kernel", _kernel(required)
    if required.types:
        yield "kernel types", _types(required)
    yield from _capabilities(required)


def _different_requirements(
    required: Requirements, of_image: Requirements
) -> Iterator[tuple[str, str]]:
    """Yield the requirements of a program that differ from those of its image."""
    if _kernel(required) != _kernel(of_image):
        yield "kernel", _kernel(required)
    if required.types != of_image.types:
        yield "kernel types", _types(required)
    if required.capabilities != of_image.capabilities:
        yield from _capabilities(required)


def _kernel(required: Requirements) -> str:
    return (
        f"{required.kernel} or newer: {', '.join(required.because)}" if required.kernel else "any"
    )


def _types(required: Requirements) -> str:
    return (
        "needed (CONFIG_DEBUG_INFO_BTF; for relocations --btf FILE will do)"
        if required.types
        else "not needed"
    )


def _capabilities(required: Requirements) -> Iterator[tuple[str, str]]:
    lines = [f"{capability.name} ({capability.reason})" for capability in required.capabilities]
    lines.append(f"before {Feature.MEMCG_ACCOUNT.since}: CAP_SYS_RESOURCE (memory)")
    if any(capability.name == "CAP_BPF" for capability in required.capabilities):
        lines.append(f"before {Feature.CAP_BPF.since}: CAP_SYS_ADMIN, not CAP_BPF")
    for number, line in enumerate(lines):
        yield "" if number else "capabilities", line


def _token(delegation: Delegation) -> Iterator[tuple[str, str]]:
    lines = [*options(delegation), _besides(delegation.besides)]
    for number, line in enumerate(lines):
        yield "" if number else "BPF token", line


def _besides(capabilities: Sequence[Capability]) -> str:
    """Return what a user needs besides a BPF token."""
    needed = [f"{capability.name} ({capability.reason})" for capability in capabilities]
    return f"needs {' and '.join(needed)} too" if needed else "enough"


def _check(check: CheckInfo) -> Iterator[str]:
    yield f"check  {safe(check.kernel)}: {'it runs' if check.runs else 'it does not run'}"
    for text in check.errors:
        skip = " (--missing skip leaves it out)" if text in check.skipped else ""
        yield f"  error: {safe(text)}{skip}"
    for text in check.warnings:
        yield f"  warning: {safe(text)}"


def _map(info: MapInfo) -> Iterator[str]:
    yield f"map {safe(info.name)}"
    pinned = f"{info.pinned} (a map that is there already is used)"
    metrics = [f"{metric.name}{{{','.join(metric.labels)}}}" for metric in info.metrics]
    advice = " (--labels chooses others)" if info.role else ""
    endless = f"{', '.join(info.endless)}{advice}"
    # of a ring buffer it is declared as that of values
    declared = info.record_type == info.value_type and not info.type_reason
    yield from _pairs(
        "  ",
        [
            ("section", info.section),
            ("type", info.type + (f" ({info.flags})" if info.flags else "")),
            ("sizes", _sizes(info)),
            *([("key", info.key_type)] if info.key_type else []),
            *([("value", info.value_type)] if info.value_type else []),
            *([("record type", _record_type(info))] if info.record_type and not declared else []),
            *([("types", info.type_reason)] if info.type_reason and not info.record_type else []),
            *([("pinned", pinned)] if info.pinned else []),
            *([("role", info.role)] if info.role else []),
            *([("not shown", info.not_shown)] if info.not_shown else []),
            *[("" if number else "metric", text) for number, text in enumerate(metrics)],
            *([("endless", endless)] if info.endless else []),
            *([("derived", ", ".join(info.derived))] if info.derived else []),
            *([("losses", _losses(info.losses))] if info.losses else []),
        ],
    )
    if info.fields:
        yield from _fields(info.fields)


def _losses(count: LossCount) -> str:
    return f"{_LOSSES[count.by]}: {count.reason}" if count.reason else _LOSSES[count.by]


def _fields(infos: Iterable[FieldInfo]) -> Iterator[str]:
    yield "  fields"
    yield from _table(
        [
            (info.name, info.type, _location(info.offset_bits, info.bits), info.part)
            for info in infos
        ]
    )


def _record_type(info: MapInfo) -> str:
    return info.record_type + (f" ({info.type_reason})" if info.type_reason else "")


def _sizes(info: MapInfo) -> str:
    key_and_value = f"key {info.key_size}, value {info.value_size} bytes"
    match info.type:
        case "ringbuf" | "user_ringbuf":
            return f"{info.max_entries} bytes"
        case "arena":
            return f"{info.max_entries} pages"
        case "perf_event_array" if not info.max_entries:
            return f"{key_and_value}, one entry per CPU"
        case "sk_storage" | "inode_storage" | "task_storage" | "cgrp_storage":
            return key_and_value  # one entry per object, without a maximum
        case _:
            return f"{key_and_value}, {info.max_entries} entries"


def _location(offset: int, bits: int) -> str:
    if offset % 8 or bits % 8:
        return f"bits {offset}..{offset + bits - 1}"
    return f"{bits // 8} bytes at {offset // 8}"


def _parameter(parameter: ParameterInfo) -> tuple[str, ...]:
    default = f"= {parameter.default}" if parameter.default else ""
    meaning = brief(parameter.description, _MAX_DESCRIPTION)
    return _option(parameter), default, meaning, f"variable {parameter.variable}"


def _option(parameter: ParameterInfo) -> str:
    from beepy.cli.parameters import option  # noqa: PLC0415 - few images have any

    return option(parameter.name)


def _variable(variable: VariableInfo) -> tuple[str, ...]:
    section = variable.map + (" (fixed at load)" if variable.const else "")
    return variable.name, variable.type, f"= {_default(variable)}", section


def _default(variable: VariableInfo) -> str:
    """Return a variable's value as JSON; a long one is cut and followed by its size."""
    if variable.default is None:
        return f"({variable.size} bytes)"
    text = json.dumps(variable.default)
    if len(text) <= _MAX_DEFAULT:
        return text
    return f"{text[: _MAX_DEFAULT - 3]}... ({variable.size} bytes)"


def _pairs(indent: str, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    (columns,) = _widths([(safe(name),) for name, _ in pairs], _MAX_NAME)
    for name, value in pairs:
        yield f"{indent}{pad(safe(name), columns)}  {safe(value)}".rstrip()


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = [tuple(map(safe, row)) for row in rows]
    widths = _widths(rows, _MAX_CELL)
    for row in rows:
        cells = [pad(cell, columns) for cell, columns in zip(row, widths, strict=True)]
        yield (" " * _INDENT + "  ".join(cells)).rstrip()


def _widths(rows: Sequence[tuple[str, ...]], max_cell: int) -> list[int]:
    """Return the width of each column; a cell wider than ``max_cell`` only shifts its own row."""
    return [
        max([columns for columns in map(width, column) if columns <= max_cell], default=0)
        for column in zip(*rows, strict=True)
    ]
