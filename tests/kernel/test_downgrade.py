"""What beepy.btf.downgrade writes, given to the kernel."""

import itertools

import pytest

from beepy.btf.downgrade import FEATURES, downgraded
from beepy.kernel import btf, features
from beepy.since import order
from tests.support.types import everything

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("count", range(len(FEATURES) + 1))
def test_the_kernel_takes_types_without_any_of_the_features(count: int) -> None:
    """Without the newest ``count`` features, as kernels have lacked them."""
    newest = sorted(FEATURES, key=lambda feature: order(feature.since), reverse=True)
    lacking = {*itertools.islice(newest, count)}
    if any(not features.has(feature) for feature in FEATURES if feature not in lacking):
        pytest.skip("this kernel lacks more than that")
    btf.load(downgraded(everything(), lacking).data).close()
