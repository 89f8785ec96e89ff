import pytest

from beepy import since
from beepy.features import Feature
from beepy.host.machine import release
from beepy.kernel import features, probes
from beepy.uapi import HELPERS

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("feature", probes.PROBES, ids=str)
def test_a_kernel_has_the_features_of_its_release(feature: Feature) -> None:
    """An older kernel may have a feature too: distributions backport."""
    assert features.has(feature) or release()[:2] < since.order(feature.since)


def test_the_kernel_has_every_helper_up_to_its_last_one() -> None:
    last = max(number for number in range(1, 400) if features.has_helper(number))
    assert last >= 155  # redirect_peer, v5.10
    assert all(features.has_helper(number) for number in range(1, last + 1))
    newest = HELPERS[last] if last < len(HELPERS) else ""
    assert since.order(since.helper(last)) <= release()[:2], newest


def test_a_name_is_kept_or_dropped() -> None:
    assert features.sanitize_name(b"a.b") == b"a.b"
    assert features.sanitize_name(b"a-b") == b""
