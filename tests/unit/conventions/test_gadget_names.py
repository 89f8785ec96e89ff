"""What names of variables and declaration tags of a gadget say."""

import pytest

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.conventions import gadget_names
from beepy.conventions.gadget_names import MapIterator, RecordIterator, Tracer
from beepy.errors import BtfError
from beepy.obj.conditions import Conditions, Named


def named(*names: str) -> Btf:
    writer = BtfWriter()
    pointer = writer.ptr(writer.const(0))
    for name in names:
        writer.var(name, pointer)
    return Btf(writer.data(), name="image")


def tagged(*tags: tuple[str, str]) -> Btf:
    """Return types with tags on functions."""
    writer = BtfWriter()
    proto = writer.func_proto(writer.integer("int", 4))
    for tag, function in tags:
        writer.decl_tag(tag, writer.func(function, proto))
    return Btf(writer.data(), name="image")


def test_names_of_variables() -> None:
    names = gadget_names.read(
        named(
            "gadget_tracer_open___events___event",
            "gadget_map_tracer_events",
            "gadget_mapiter_file___stats",
            "gadget_snapshotter_tasks___task___show",
            "gadget_iter_sockets___socket___tcp___udp",
            "gadget_mapelem_iter_target_show___stats",
            "gadget_sk_prog_target_verdict___sockets",
            "gadget_param_failed",
            "gadget_param_failed",
            "gadget_filter_by_mntns",
            "gadget_pf_",
            "other",
        )
    )
    assert names.tracers == (Tracer("open", "events", "event"),)
    assert names.map_iterators == (MapIterator("file", "stats"),)
    assert names.iterators == (
        RecordIterator("tasks", "task", ("show",)),
        RecordIterator("sockets", "socket", ("tcp", "udp")),
    )
    assert names.targets == {"show": "stats", "verdict": "sockets"}
    assert names.parameters == ("failed",)
    assert names.ignored == ("variable 'gadget_pf_'",)
    assert "gadget_filter_by_mntns" not in names.variables
    assert "gadget_param_failed" in names.variables


def test_declaration_tags() -> None:
    names = gadget_names.read(
        tagged(
            ("ig:tracer:open___events___event", "f"),
            ("ig:tracer_map", "events"),
            ("ig:mapiter:file___stats", "f"),
            ("ig:iter_type:sockets___socket", "f"),
            ("ig:iter:sockets", "tcp"),
            ("ig:iter:sockets", "udp"),
            ("ig:param:failed", "f"),
            ("ig:iter_target_map:show___stats", "f"),
            ("ig:only_if:a == 1", "f"),
            ("ig:define:hook:kallsyms.first('a', 'b')", "v"),
            ("ig:assert:any:hook == 'a'", "v"),
            ("ig:assert:sum:1 + 1 == 2", "v"),
            ("ig:attach_to:params.failed ? hook : program.disabled", "f"),
            ("ig:" + "x" * 2000, "f"),
            ("other", "f"),
        )
    )
    assert names.tracers == (Tracer("open", "events", "event"),)
    assert names.map_iterators == (MapIterator("file", "stats"),)
    assert names.iterators == (RecordIterator("sockets", "socket", ("tcp", "udp")),)
    assert names.targets == {"show": "stats"}
    assert names.parameters == ("failed",)
    assert names.conditions == Conditions(
        defines=(Named("hook", "kallsyms.first('a', 'b')"),),
        asserts=(Named("any", "hook == 'a'"),),
        targets=(Named("f", "params.failed ? hook : program.disabled"),),
        parameters=("failed",),
    )
    assert len(names.ignored[0]) < 100
    assert names.ignored[1:] == ("tag 'ig:assert:sum:1 + 1 == 2': '+ 1 == 2': not supported",)


@pytest.mark.parametrize(
    "name",
    [
        "gadget_tracer_open",
        "gadget_tracer_open___events",
        "gadget_tracer_open___events___event___more",
        "gadget_mapiter_file",
        "gadget_mapiter____stats",
        "gadget_iter_tasks___task",
    ],
)
def test_malformed_names(name: str) -> None:
    with pytest.raises(BtfError, match=f"image: variable '{name}': expected "):
        gadget_names.read(named(name))


def test_their_number_is_bounded() -> None:
    with pytest.raises(BtfError, match="more than 512"):
        gadget_names.read(named(*[f"gadget_param_{number}" for number in range(513)]))
