import pytest

from beepy.btf import ctx_args, types
from beepy.btf.btf import Btf
from beepy.btf.types import Linkage, Param, TypeId
from beepy.btf.writer import BtfWriter
from beepy.uapi import ProgType

SKB, XDP, TRACEPOINT = ProgType.SCHED_CLS, ProgType.XDP, ProgType.TRACEPOINT


def test_functions_with_a_context_among_their_arguments() -> None:
    w = BtfWriter()
    integer = w.integer()
    any_ = w.ptr(0)
    proto = w.func_proto(integer, [("number", integer), ("ctx", any_)])
    tagged, hidden, plain = (
        w.func("tagged", proto, Linkage.GLOBAL),
        w.func("hidden", proto, 0),
        w.func("plain", proto, 1),
    )
    w.decl_tag("arg:ctx", tagged, 1)
    w.decl_tag("arg:ctx", hidden, 1)
    w.decl_tag("arg:nonnull", plain, 1)
    w.decl_tag("arg:ctx", plain)
    w.decl_tag("arg:ctx", w.func("malformed", integer, Linkage.GLOBAL), 0)
    w.decl_tag("arg:ctx", integer, 0)
    assert ctx_args.tagged(Btf(w.data())) == {tagged: {1}}


def test_each_type_of_program_gets_a_function_of_its_own() -> None:
    w = BtfWriter()
    integer = w.integer()
    any_ = w.ptr(0)
    tagged = w.func(
        "tagged", w.func_proto(integer, [("number", integer), ("ctx", any_)]), Linkage.GLOBAL
    )
    other = w.func("other", w.func_proto(integer, [("ctx", any_)]), Linkage.GLOBAL)
    w.decl_tag("arg:ctx", tagged, 1)
    before = Btf(w.data())
    after, found = ctx_args.rewrite_ctx_args(
        before, [(SKB, tagged), (XDP, tagged), (SKB, tagged), (SKB, other), (TRACEPOINT, tagged)]
    )
    assert [after.type(one) for one in before.ids()] == [before.type(one) for one in before.ids()]
    assert found.keys() == {(SKB, tagged), (XDP, tagged)}
    for kind, name in ((SKB, "__sk_buff"), (XDP, "xdp_md")):
        function = after.type(found[kind, tagged])
        assert isinstance(function, types.Func)
        assert (function.name, function.linkage) == ("tagged", Linkage.GLOBAL)
        proto = after.type(function.type)
        assert isinstance(proto, types.FuncProto)
        number, context = proto.params
        assert (proto.type, number, context.name) == (
            integer,
            Param("number", TypeId(integer)),
            "ctx",
        )
        pointer = after.type(context.type)
        assert isinstance(pointer, types.Ptr)
        assert after.type(pointer.type) == types.Struct(name, 0, ())


@pytest.mark.parametrize(
    ("prog_type", "kind", "told"),
    [
        (SKB, "void", True),
        (SKB, "const void", True),
        (SKB, "__sk_buff", False),
        (SKB, "other", False),
        (SKB, "word", False),
        (SKB, "number", False),
        (SKB, "pt_regs", False),
        (SKB, "bpf_user_pt_regs_t", False),
        (ProgType.KPROBE, "pt_regs", True),
        (ProgType.KPROBE, "bpf_user_pt_regs_t", False),
        (ProgType.KPROBE, "void", True),
        (ProgType.PERF_EVENT, "pt_regs", True),
        (ProgType.PERF_EVENT, "user_pt_regs", True),
        (ProgType.PERF_EVENT, "bpf_user_pt_regs_t", False),
        (ProgType.RAW_TRACEPOINT, "word", True),
        (ProgType.RAW_TRACEPOINT, "bpf_raw_tracepoint_args", False),
    ],
)
def test_arguments_that_are_told_by_name(prog_type: ProgType, kind: str, told: bool) -> None:
    """As libbpf: arguments of no type, or of one that may be a context but is not the right one."""
    w = BtfWriter()
    integer = w.integer()
    targets = {
        "void": lambda: w.ptr(0),
        "const void": lambda: w.const(w.ptr(w.const(0))),
        "word": lambda: w.ptr(w.typedef("u64", w.integer("unsigned long", 8, 0))),
        "number": lambda: integer,
        "bpf_user_pt_regs_t": lambda: w.ptr(
            w.const(w.typedef("bpf_user_pt_regs_t", w.struct("user_pt_regs", 8)))
        ),
    }
    argument = targets.get(kind, lambda: w.ptr(w.struct(kind, 8)))()
    function = w.func("f", w.func_proto(integer, [("ctx", argument)]), Linkage.GLOBAL)
    w.decl_tag("arg:ctx", function, 0)
    w.decl_tag("arg:ctx", function, 7)  # an argument that it does not have
    _, found = ctx_args.rewrite_ctx_args(Btf(w.data()), [(prog_type, function)])
    assert bool(found) == told


def test_nothing_is_added_where_nothing_is_tagged() -> None:
    w = BtfWriter()
    function = w.func("f", w.func_proto(0), Linkage.GLOBAL)
    before = Btf(w.data())
    after, found = ctx_args.rewrite_ctx_args(before, [(SKB, function)])
    assert (after.data, found) == (before.data, {})
