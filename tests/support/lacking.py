"""Answers about the kernel's features as an older kernel would give them."""

import pytest

from beepy.features import Feature
from beepy.kernel import features


def lack(monkeypatch: pytest.MonkeyPatch, *missing: Feature) -> None:
    """Answer that the kernel lacks these features until the end of the test, and the truth about all others."""
    has = features.has
    monkeypatch.setattr(features, "has", lambda feature: feature not in missing and has(feature))
