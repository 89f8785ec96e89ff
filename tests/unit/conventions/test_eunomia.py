import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from beepy import conventions
from beepy.btf.btf import Btf
from beepy.btf.cformat import c_type
from beepy.btf.types import VOID
from beepy.btf.writer import BtfWriter
from beepy.errors import UnsupportedImage
from beepy.events.decoder import Decoder
from beepy.events.schemas import of_tracked
from beepy.obj.spec import CollectionSpec, MapSpec, Parameter, VariableSpec
from beepy.oci.formats.eunomia import META
from beepy.uapi import MapType

EVENTS: Final = MapSpec("events", ".maps", MapType.RINGBUF, max_entries=4096)
OTHERS: Final = EVENTS._replace(name="others")


class Types:
    """A struct event of 8 bytes, a struct hist of 104; pointers to both."""

    def __init__(self) -> None:
        self.writer = writer = BtfWriter()
        self.u32 = writer.integer("unsigned int", 4, 0)
        self.bool = writer.integer("bool", 1, 4)
        self.event = writer.struct("event", 8, [("pid", self.u32, 0), ("tid", self.u32, 32)])
        slots = writer.array(self.u32, self.u32, 26)
        self.hist = writer.struct("hist", 104, [("slots", slots, 0)])
        self.pointers = {"event": writer.ptr(self.event), "hist": writer.ptr(self.hist)}

    def table(self) -> MapSpec:
        return MapSpec("hists", ".maps", MapType.HASH, 4, 104, 16, key=self.u32, value=self.hist)

    def dummy(self, name: str) -> VariableSpec:
        return VariableSpec(f"__eunomia_dummy_{name}_ptr", ".bss", self.pointers[name], 0, 8, False)

    def spec(self, *maps: MapSpec, variables: tuple[VariableSpec, ...] = ()) -> CollectionSpec:
        data = [
            MapSpec(name, name, MapType.ARRAY, 4, 64, 1, contents=bytes(64))
            for name in (".rodata", ".bss")
        ]
        btf = Btf(self.writer.data(), name="object")
        return CollectionSpec("package.json", "GPL", (), (*maps, *data), variables, (), btf)


def applied(spec: CollectionSpec, **meta: object) -> CollectionSpec:
    """Apply the convention; ``maps`` and ``data_sections`` are of the skeleton."""
    skeleton = {key: meta.pop(key) for key in ("maps", "data_sections") if key in meta}
    hint = json.dumps({"bpf_skel": skeleton, **meta}).encode()
    return conventions.apply(spec, "eunomia", {META: hint})


def record(spec: CollectionSpec, name: str = "events") -> str:
    """Return the type of a buffer's records."""
    (decision,) = [decision for decision in spec.tracked if decision.map == name]
    btf = decision.types or spec.btf
    assert btf
    return c_type(btf, decision.record)


def test_the_exported_struct() -> None:
    """By its number if that is a struct of its name, else by its name."""
    types = Types()
    maps = [{"name": "events", "ident": "events"}]
    for number in (types.event, types.hist, 0, 1 << 30):
        exported = [{"name": "event", "type_id": number, "size": 8, "members": []}]
        spec = applied(types.spec(EVENTS), maps=maps, export_types=exported)
        assert record(spec) == "struct event"
        assert spec.tracked[0].reason == ""
        assert spec.convention == "eunomia: maps and types by the package"


def test_the_struct_that_the_object_names() -> None:
    types = Types()
    maps = [{"name": "events"}]
    spec = types.spec(EVENTS, variables=(types.dummy("event"),))
    assert record(applied(spec, maps=maps)) == "struct event"
    spec = types.spec(EVENTS, variables=(types.dummy("event"), types.dummy("hist")))
    assert spec.tracked == ()
    first = [{"name": "hist", "type_id": 0}, {"name": "event", "type_id": 0}]
    assert record(applied(spec, maps=maps, export_types=first)) == "struct hist"


def test_a_struct_that_is_not_there_is_not_guessed() -> None:
    spec = applied(Types().spec(EVENTS), maps=[{"name": "events"}], export_types=[{"name": "none"}])
    assert spec.tracked == ()
    assert [decision.map for decision in spec.not_shown] == ["events"]


def test_a_sampled_table_is_shown_at_its_interval() -> None:
    types = Types()
    maps = [{"name": "hists", "sample": {"interval": 2500, "type": "log2_hist"}}]
    other = types.table()._replace(name="other")
    spec = applied(types.spec(types.table(), other), maps=maps)
    (decision,) = spec.tracked
    assert (decision.map, decision.record, decision.interval) == ("hists", VOID, 2.5)
    assert of_tracked(spec, decision).interval == 2.5
    fields = Decoder(of_tracked(spec, decision)).fields
    assert [field.name for field in fields] == ["key", "value.slots"]
    (hidden,) = spec.not_shown
    assert (hidden.map, hidden.reason) == ("other", "the package does not export it")


@pytest.mark.parametrize("clear", [True, False])
def test_a_table_that_is_emptied(clear: bool) -> None:
    types = Types()
    maps = [{"name": "hists", "sample": {"interval": 1000, "clear_map": clear}}]
    assert applied(types.spec(types.table()), maps=maps).tracked[0].drains == clear


@pytest.mark.parametrize(("interval", "seconds"), [(0, 0.1), (1, 0.1), (1 << 40, 86400.0)])
def test_intervals_are_bounded(interval: int, seconds: float) -> None:
    types = Types()
    maps = [{"name": "hists", "sample": {"interval": interval}}]
    assert applied(types.spec(types.table()), maps=maps).tracked[0].interval == seconds


def test_what_is_not_supported_is_said() -> None:
    types = Types()
    sample = {"interval": 1000, "type": "linear_hist\x1b"}
    stacks = {"stack_trace": {"with_symbols": False}}
    maps = [{"name": "hists", "sample": sample}, {"name": "events", "intepreter": stacks}]
    given = types.spec(types.table(), EVENTS)
    spec = applied(given, maps=maps, export_types=[{"name": "event"}])
    assert spec.unsupported == (
        r"map 'hists': linear_hist\x1b: shown as a table",
        "map 'events': stack_trace: stacks are shown as addresses",
    )


def test_several_exported_types() -> None:
    types = Types()
    members = [{"name": "tid", "offset": 4, "btf_type_id": types.u32}]
    maps = [
        {"name": "events", "export_config": {"btf_type_id": types.event}},
        {"name": "others", "export_config": {"custom_members": members}},
        {"name": "hists", "export_config": "default", "sample": {"interval": 100}},
        {"name": "silent", "export_config": "no_export"},
    ]
    silent = EVENTS._replace(name="silent")
    given = types.spec(EVENTS, OTHERS, types.table(), silent)
    spec = applied(given, maps=maps, enable_multiple_export_types=True)
    assert [decision.map for decision in spec.tracked] == ["events", "others", "hists"]
    assert record(spec) == "struct event"
    (_, custom, _) = spec.tracked
    schema = of_tracked(spec, custom)
    (field,) = Decoder(schema).fields
    assert (field.name, field.offset) == ("tid", 32)


@pytest.mark.parametrize(
    "config",
    [
        {"btf_type_id": 1 << 30},
        {"custom_members": [{"name": "a", "offset": 0, "btf_type_id": 1 << 30}]},
        {"custom_members": [{"name": "a", "offset": 1 << 20, "btf_type_id": 1}]},
    ],
)
def test_types_that_are_not_there(config: Mapping[str, Any]) -> None:
    maps = [{"name": "events", "export_config": config}]
    spec = applied(Types().spec(EVENTS), maps=maps, enable_multiple_export_types=True)
    assert spec.tracked == ()
    assert spec.not_shown[0].reason.isprintable()


def variables(*items: Mapping[str, object]) -> list[object]:
    return [{"name": ".rodata", "variables": items}]


def with_variables() -> CollectionSpec:
    types = Types()
    return types.spec(
        variables=(
            VariableSpec("target", ".rodata", types.u32, 0, 4, True),
            VariableSpec("failed", ".rodata", types.bool, 4, 1, True),
            VariableSpec("level", ".rodata", types.u32, 8, 4, True),
        )
    )


def test_the_options_are_parameters_and_their_defaults_are_set() -> None:
    target = {"default": 7, "long": "pid", "short": "p", "help": "the process"}
    spec = applied(
        with_variables(),
        data_sections=variables(
            {"name": "target", "type": "int", "cmdarg": target, "description": "not this"},
            {"name": "failed", "type": "bool", "cmdarg": {"default": True}, "description": "fail"},
            {"name": "level", "type": "int", "value": 3},
            {"name": "absent", "type": "int", "cmdarg": {"default": 1}},
            {"name": "__eunomia_dummy_event_ptr", "type": "struct event *"},
        ),
    )
    assert spec.parameters == (
        Parameter("pid", "target", "7", "the process"),
        Parameter("failed", "failed", "true", "fail"),
        Parameter("level", "level", "3", ""),
    )
    (contents,) = [m.contents for m in spec.maps if m.name == ".rodata"]
    assert contents
    assert contents[:12] == b"\x07\0\0\0" + b"\x01\0\0\0" + b"\x03\0\0\0"


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ({"bpf_skel": []}, "bpf_skel: an object is expected, not []"),
        ({}, "bpf_skel: an object is expected, not None"),
        ({"bpf_skel": {"maps": {}}}, "bpf_skel: maps: a list of at most 4096 is expected"),
        ({"bpf_skel": {"maps": ["x"]}}, "bpf_skel: maps: an object is expected, not x"),
        ({"bpf_skel": {"maps": [{}]}}, "bpf_skel: map: name: missing"),
        ({"bpf_skel": {"maps": [{"name": 7}]}}, "bpf_skel: map: name: a string is expected"),
        (
            {"bpf_skel": {"maps": [{"name": "a\x1b", "sample": 1}]}},
            r"bpf_skel: map 'a\x1b': an object is expected, not 1",
        ),
        (
            {"bpf_skel": {"maps": [{"name": "a", "sample": {"interval": "1s"}}]}},
            "bpf_skel: map 'a': sample: interval: 1s: expected milliseconds",
        ),
        (
            {"bpf_skel": {"maps": [{"name": "a", "sample": {"interval": float("nan")}}]}},
            "bpf_skel: map 'a': sample: interval: nan: expected milliseconds",
        ),
        (
            {"bpf_skel": {"maps": [{"name": "a", "export_config": {"btf_type_id": -1}}]}},
            "bpf_skel: map 'a': btf_type_id: a number up to 2147483647 is expected, not -1",
        ),
        (
            {"bpf_skel": {"data_sections": variables({"name": "target", "cmdarg": [7]})}},
            "bpf_skel: variable 'target': cmdarg: an object is expected, not [7]",
        ),
        (
            {"bpf_skel": {"data_sections": variables({"name": "target", "value": [1]})}},
            "bpf_skel: variable 'target': default: [1]: expected a number or text",
        ),
        ({"bpf_skel": {}, "export_types": [{"name": "a", "type_id": "x"}]}, "type: type_id: a num"),
        (
            {"bpf_skel": {"data_sections": variables(*[{"name": "a", "value": 1}] * 300)}},
            "bpf_skel: more than 256 defaults of variables",
        ),
        (
            {"bpf_skel": {"maps": [{"name": "a"}] * 5000}},
            "bpf_skel: maps: a list of at most 4096 is expected",
        ),
    ],
)
def test_wrong_types_are_one_line(meta: Mapping[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedImage) as caught:
        conventions.apply(with_variables(), "eunomia", {META: json.dumps(meta).encode()})
    message = str(caught.value)
    assert message.startswith("package.json: meta: ")
    assert why in message
    assert message.isprintable()


def test_a_default_that_does_not_fit() -> None:
    with pytest.raises(UnsupportedImage) as caught:
        applied(with_variables(), data_sections=variables({"name": "target", "value": -1}))
    assert str(caught.value) == (
        "package.json: default: variable 'target' (unsigned int): '-1': "
        "expected a number from 0 to 4294967295"
    )


def test_an_object_without_types() -> None:
    spec = Types().spec(EVENTS)._replace(btf=None)
    shown = applied(spec, maps=[{"name": "events"}], export_types=[{"name": "event"}])
    assert shown.tracked == ()
    assert [decision.map for decision in shown.not_shown] == ["events"]
