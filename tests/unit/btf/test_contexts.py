from beepy.btf import contexts, types
from beepy.btf.btf import Btf
from beepy.btf.types import Linkage, Param, TypeId
from beepy.uapi import ProgType
from tests.writers.btf import BtfWriter

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
    assert contexts.tagged(Btf(w.data())) == {tagged: {1}}


def test_each_type_of_program_gets_a_function_of_its_own() -> None:
    w = BtfWriter()
    integer = w.integer()
    any_ = w.ptr(0)
    tagged = w.func("tagged", w.func_proto(integer, [("number", integer), ("ctx", any_)]), Linkage.GLOBAL)
    other = w.func("other", w.func_proto(integer, [("ctx", any_)]), Linkage.GLOBAL)
    w.decl_tag("arg:ctx", tagged, 1)
    before = Btf(w.data())
    after, found = contexts.named(
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
        assert (proto.type, number, context.name) == (integer, Param("number", TypeId(integer)), "ctx")
        pointer = after.type(context.type)
        assert isinstance(pointer, types.Ptr)
        assert after.type(pointer.type) == types.Struct(name, 0, ())


def test_nothing_is_added_where_nothing_is_tagged() -> None:
    w = BtfWriter()
    function = w.func("f", w.func_proto(0), Linkage.GLOBAL)
    before = Btf(w.data())
    after, found = contexts.named(before, [(SKB, function)])
    assert (after.data, found) == (before.data, {})
