"""What beepy.btf.downgrade writes, given to the kernel."""

import itertools

import pytest

from beepy.btf.downgrade import Feature, downgraded
from beepy.kernel import btf, btf_features, host
from beepy.since import order
from tests.support.types import everything

pytestmark = pytest.mark.kernel


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
