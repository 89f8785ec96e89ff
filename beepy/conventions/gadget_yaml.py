"""Read gadget.yaml, a gadget's metadata: what programs, parameters and columns are to be like.

It comes with the image: ``yaml_text`` bounds what is read, and all its scalars are texts.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy.conventions.yaml_values import mapping, text
from beepy.errors import UnsupportedImage
from beepy.oci.formats.gadget import METADATA
from beepy.text import excerpt
from beepy.yaml_text import Node, load

_MAX_TEXT: Final = 4096  # characters of a name, value or description

_NO_TEXTS: Mapping[str, str] = MappingProxyType({})
_NO_FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class ParameterInfo(NamedTuple):
    """A parameter as users see it; "" where nothing is said."""

    key: str = ""
    default: str = ""
    description: str = ""


class ProgramInfo(NamedTuple):
    """Where a program attaches ("": its section says it); ``perf`` and ``frequency`` are events."""

    attach_to: str = ""
    perf: Mapping[str, str] = _NO_TEXTS
    frequency: str = ""


class DataSource(NamedTuple):
    """The annotations of a stream or table, and of its fields."""

    annotations: Mapping[str, str] = _NO_TEXTS
    fields: Mapping[str, Mapping[str, str]] = _NO_FIELDS


class Metadata(NamedTuple):
    """What beepy uses of gadget.yaml: parameters by variable, the rest by name."""

    parameters: Mapping[str, ParameterInfo]
    programs: Mapping[str, ProgramInfo]
    sources: Mapping[str, DataSource]


def read(data: bytes, where: str) -> Metadata:
    """Return the metadata. Raises UnsupportedImage for what is malformed, or has wrong types."""
    where = f"{where}: {METADATA}"
    # the case of the first keys does not matter
    top = {key.lower(): node for key, node in mapping(load(data, where), where).items()}
    parameters = mapping(top.get("params"), f"{where}: params").get("ebpf")
    older = top.get("ebpfparams")
    return Metadata(
        parameters={
            name: _parameter(node, path)
            for name, node, path in [
                *_members(older, f"{where}: ebpfparams"),
                *_members(parameters, f"{where}: params.ebpf"),
            ]
        },
        programs={
            name: _program(node, path)
            for name, node, path in _members(top.get("programs"), f"{where}: programs")
        },
        sources={
            name: _source(node, path)
            for name, node, path in _members(top.get("datasources"), f"{where}: datasources")
        },
    )


def _members(node: Node, where: str) -> Iterator[tuple[str, Node, str]]:
    """Yield each key of a mapping, its node, and its path for messages."""
    for key, member in mapping(node, where).items():
        yield key, member, f"{where}.{excerpt(key)}"


def _text(node: Node, where: str) -> str:
    value = text(node, where)
    if len(value) > _MAX_TEXT:
        raise UnsupportedImage(f"{where}: {len(value)} characters, at most {_MAX_TEXT} are allowed")
    return value


def _texts(node: Node, where: str) -> Mapping[str, str]:
    return {key: _text(member, path) for key, member, path in _members(node, where)}


def _parameter(node: Node, where: str) -> ParameterInfo:
    values = _texts(node, where)
    return ParameterInfo(
        key=values.get("key", ""),
        default=values.get("defaultValue", ""),
        description=values.get("description", ""),
    )


def _program(node: Node, where: str) -> ProgramInfo:
    values = mapping(node, where)
    return ProgramInfo(
        attach_to=_text(values.get("attach_to"), f"{where}.attach_to"),
        perf=_texts(values.get("perf"), f"{where}.perf"),
        frequency=_texts(values.get("sampler"), f"{where}.sampler").get("frequency", ""),
    )


def _source(node: Node, where: str) -> DataSource:
    values = mapping(node, where)
    return DataSource(
        _texts(values.get("annotations"), f"{where}.annotations"),
        {
            name: _texts(mapping(field, path).get("annotations"), f"{path}.annotations")
            for name, field, path in _members(values.get("fields"), f"{where}.fields")
        },
    )
