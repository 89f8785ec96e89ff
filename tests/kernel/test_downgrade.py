"""What beepy.btf.downgrade writes, given to the kernel."""

import itertools

import pytest

from beepy.btf.btf import Btf
from beepy.btf.downgrade import Feature, downgraded
from beepy.kernel import btf, btf_features, host
from beepy.since import order
from tests.writers.btf import BtfWriter

pytestmark = pytest.mark.kernel


def everything() -> Btf:
    writer = BtfWriter()
    number, byte = writer.integer("int", 4), writer.integer("char", 1)
    real = writer.real("double", 8)
    tagged = writer.ptr(writer.type_tag("user", number))
    wide = writer.enum64("wide", {"W": 1 << 40})
    signed = writer.enum("signed", {"MINUS": -1}, signed=True)
    members = [("real", real, 0), ("pointer", tagged, 64), ("wide", wide, 128), ("signed", signed, 192)]
    holder = writer.struct("holder", 32, members)
    writer.decl_tag("tag=1", holder)
    writer.func("of_all", writer.func_proto(number, [("a", number)]))
    writer.func("of_this", writer.func_proto(0), 0)
    variables = [(writer.var("held", holder), 0, 32), (writer.var("small", byte, 0), 32, 1)]
    writer.datasec(".data", 33, variables)
    writer.datasec("?.data", 32, [(writer.var("other", holder), 0, 32)])
    return Btf(writer.data())


@pytest.mark.parametrize("feature", Feature)
def test_the_probe_of_a_feature_agrees_with_the_release(feature: Feature) -> None:
    assert btf_features.takes(feature) == (host.release()[:2] >= order(feature.since))


@pytest.mark.parametrize("count", range(len(Feature) + 1))
def test_the_kernel_takes_types_without_any_of_the_features(count: int) -> None:
    """Without the newest ``count`` features, as kernels have lacked them."""
    newest = sorted(Feature, key=lambda feature: order(feature.since), reverse=True)
    lacking = {*itertools.islice(newest, count)}
    if any(not btf_features.takes(feature) for feature in Feature if feature not in lacking):
        pytest.skip("this kernel lacks more than that")
    btf.load(downgraded(everything(), lacking).data).close()
