"""Names of metrics and labels."""

from beepy.events.naming import label_names, metric_name


def test_metric_names_are_bees_and_valid() -> None:
    assert metric_name("counter_exits") == "ebpf_solo_io_counter_exits"
    assert metric_name("a.b:c\u00e9") == "ebpf_solo_io_a_b_c_"


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
    assert label_names(["le"], taken=["le"]) == ("le_",)
    assert label_names(["le"]) == ("le",)
