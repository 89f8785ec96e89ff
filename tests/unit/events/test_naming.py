"""Names of metrics and labels."""

from beepy.events.naming import label_names


def test_label_names_are_valid_and_distinct() -> None:
    assert label_names(["pid", "a_b", "a_b", "a_b_"]) == ("pid", "a_b", "a_b_", "a_b__")
    assert label_names(["__pad", "__name__", "0", "", "a.b", "\u00e9"]) == (
        "_pad",
        "_name__",
        "_0",
        "unnamed",
        "a_b",
        "unnamed_",
    )
    assert label_names(["le"], reserved=["le"]) == ("le_",)
    assert label_names(["le"]) == ("le",)
