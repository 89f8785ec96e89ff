"""Read gadget.yaml, a gadget's metadata: what programs, parameters and columns are to be like.

It comes with the image: its size, its depth and the number of its nodes are bounded before it is
read, and all its scalars are read as text.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from beepy.errors import UnsupportedImage
from beepy.oci.formats.gadget import METADATA
from beepy.text import excerpt, safe

MAX_SIZE: Final = 256 << 10  # bytes; the largest that is known has 21,000
MAX_DEPTH: Final = 16
MAX_NODES: Final = 20_000
_MAX_TEXT: Final = 4096  # characters of a name, value or description

_Tree: TypeAlias = "str | list[_Tree] | dict[str, _Tree]"

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
    reader = _Reader(f"{where}: {METADATA}")
    top = reader.top(data) if data else {}
    parameters = reader.mapping(reader.mapping(top, "params"), "ebpf", "params.ebpf")
    older = reader.mapping(top, "ebpfparams")
    programs = reader.mapping(top, "programs")
    sources = reader.mapping(top, "datasources")
    return Metadata(
        parameters={
            name: reader.parameter(values, f"params.ebpf.{name}")
            for name, values in {**older, **parameters}.items()
        },
        programs={
            name: reader.program(values, f"programs.{name}") for name, values in programs.items()
        },
        sources={
            name: reader.source(values, f"datasources.{name}") for name, values in sources.items()
        },
    )


class _Reader:
    """Reads parts of the tree; ``where`` begins each message."""

    def __init__(self, where: str) -> None:
        self._where = where

    def top(self, data: bytes) -> dict[str, _Tree]:
        """Return the document, with its keys in lower case: their case does not matter."""
        tree = self._parse(data)
        if tree == "":
            return {}
        if not isinstance(tree, dict):
            raise self._refused("", "expected a mapping")
        return {key.lower(): value for key, value in tree.items()}

    def mapping(self, parent: Mapping[str, _Tree], key: str, path: str = "") -> dict[str, _Tree]:
        """Return the mapping under ``key``, empty if it is missing or has no value."""
        return self._as_mapping(parent.get(key, ""), path or key)

    def parameter(self, tree: _Tree, path: str) -> ParameterInfo:
        texts = self._texts(tree, path)
        return ParameterInfo(
            key=texts.get("key", ""),
            default=texts.get("defaultValue", ""),
            description=texts.get("description", ""),
        )

    def program(self, tree: _Tree, path: str) -> ProgramInfo:
        values = self._as_mapping(tree, path)
        sampler = self._texts(values.get("sampler", ""), f"{path}.sampler")
        return ProgramInfo(
            attach_to=self._text(values.get("attach_to", ""), f"{path}.attach_to"),
            perf=self._texts(values.get("perf", ""), f"{path}.perf"),
            frequency=sampler.get("frequency", ""),
        )

    def source(self, tree: _Tree, path: str) -> DataSource:
        values = self._as_mapping(tree, path)
        fields = self.mapping(values, "fields", f"{path}.fields")
        annotations = {
            name: self._as_mapping(field, f"{path}.fields.{name}").get("annotations", "")
            for name, field in fields.items()
        }
        return DataSource(
            self._texts(values.get("annotations", ""), f"{path}.annotations"),
            {
                name: self._texts(texts, f"{path}.fields.{name}.annotations")
                for name, texts in annotations.items()
            },
        )

    def _texts(self, tree: _Tree, path: str) -> dict[str, str]:
        values = self._as_mapping(tree, path)
        return {key: self._text(value, f"{path}.{key}") for key, value in values.items()}

    def _text(self, tree: _Tree, path: str) -> str:
        if not isinstance(tree, str):
            raise self._refused(path, "expected a text")
        if len(tree) > _MAX_TEXT:
            raise self._refused(path, f"{len(tree)} characters, at most {_MAX_TEXT} are allowed")
        return tree

    def _as_mapping(self, tree: _Tree, path: str) -> dict[str, _Tree]:
        if tree == "":
            return {}
        if not isinstance(tree, dict):
            raise self._refused(path, "expected a mapping")
        return tree

    def _refused(self, path: str, why: str) -> UnsupportedImage:
        return UnsupportedImage(": ".join([self._where, *[excerpt(path)][: bool(path)], why]))

    def _parse(self, data: bytes) -> _Tree:
        import yaml  # noqa: PLC0415 - only gadgets have such a file

        if len(data) > MAX_SIZE:
            raise self._refused("", f"{len(data)} bytes, at most {MAX_SIZE} are allowed")
        # reads every scalar as text; the variant in C is an optional part of the package
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        try:
            text = data.decode()
            self._check(yaml.parse(text, loader))
            tree: _Tree = yaml.load(text, loader)  # noqa: S506 - it makes only texts
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = f"line {mark.line + 1}: " if mark else ""
            problem = safe(error.problem or "malformed")[:200]
            raise self._refused("", f"{line}{problem}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise self._refused("", safe(str(error).partition("\n")[0])[:200]) from None
        return tree or ""

    def _check(self, events: object) -> None:
        """Raise UnsupportedImage before anything is built of a document that is too large."""
        import yaml  # noqa: PLC0415 - as above

        depth = nodes = 0
        for event in events:  # type: ignore[attr-defined]
            if isinstance(event, yaml.AliasEvent):
                raise self._refused("", "aliases are not supported")
            nodes += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH or nodes > MAX_NODES:
                limits = f"nested deeper than {MAX_DEPTH}, or more than {MAX_NODES} nodes"
                raise self._refused("", limits)
