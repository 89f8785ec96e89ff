import pytest

from beepy.cli import figures


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0.5, "0.5ns"), (999.4, "999ns"), (12_345, "12.3us"), (2e6, "2ms"), (5e9, "5s")],
)
def test_times(ns: float, text: str) -> None:
    assert figures.time_text(ns) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (1e-6, "<0.001%"),
        (0.00001, "0.001%"),
        (0.0234, "2.3%"),
        (0.5, "50%"),
        (1.5, "150%"),
    ],
)
def test_shares(share: float, text: str) -> None:
    assert figures.share_text(share) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0"), (0.04, "0.04"), (9.5, "9.5"), (1234.5, "1234")]
)
def test_rates(rate: float, text: str) -> None:
    assert figures.rate_text(rate) == text
