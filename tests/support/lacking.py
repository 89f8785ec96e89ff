"""Answers about the kernel's features as an older kernel would give them."""

import pytest

from beepy.features import Feature
from beepy.kernel import features


def lack(monkeypatch: pytest.MonkeyPatch, *missing: Feature) -> None:
    """Let these features seem missing until the end of the test; all others are probed as usual."""
    has = features.has
    monkeypatch.setattr(features, "has", lambda feature: feature not in missing and has(feature))
