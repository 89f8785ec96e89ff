"""The text format: values and labels as Go writes them."""

import math

import pytest

from beepy.outputs.exposition import (
    Histogram,
    head,
    histogram_samples,
    label_texts,
    number,
    samples,
)


# what Go's strconv.FormatFloat(value, 'g', -1, 64) gives for float64(value)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "-0"),
        (1, "1"),
        (1.0, "1"),
        (True, "1"),
        (-7, "-7"),
        (112200, "112200"),
        (999999, "999999"),
        (999999.5, "999999.5"),
        (1000000, "1e+06"),
        (-1000000, "-1e+06"),
        (1234567, "1.234567e+06"),
        (-1234567.25, "-1.23456725e+06"),
        (1234567890, "1.23456789e+09"),
        (2396600383928, "2.396600383928e+12"),
        (123456789012345.6, "1.234567890123456e+14"),
        (10**15, "1e+15"),
        (9999999999999998, "9.999999999999998e+15"),
        (10**16, "1e+16"),
        (2**63, "9.223372036854776e+18"),
        (2**64 - 1, "1.8446744073709552e+19"),
        (2**128 - 1, "3.402823669209385e+38"),
        (1e100, "1e+100"),
        (1000.5, "1000.5"),
        (0.1, "0.1"),
        (0.0001, "0.0001"),
        (0.00012345, "0.00012345"),
        (0.00001, "1e-05"),
        (1.5e-7, "1.5e-07"),
        (5e-324, "5e-324"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_a_value_is_written_as_go_does(value: float, text: str) -> None:
    assert number(value) == text


def test_every_value_can_be_read_back() -> None:
    for exponent in range(-320, 309):
        for digits in ("1", "1.5", "9.999999999999998", "1.2345"):
            value = float(f"{digits}e{exponent}")
            assert float(number(value)) == value


def test_label_values_are_escaped() -> None:
    column = [
        "plain",
        'q"q',
        "back\\slash",
        "new\nline",
        "caf\u00e9 \U0001f600",
        "bad\udcff\udc80",
        "",
    ]
    assert label_texts(["comm"], [column], 7) == [
        'comm="plain"',
        'comm="q\\"q"',
        'comm="back\\\\slash"',
        'comm="new\\nline"',
        'comm="caf\u00e9 \U0001f600"',
        'comm="bad\\\\xff\\\\x80"',
        'comm=""',
    ]
    assert label_texts(["a", "b"], [["1", "2"], ["%s", "{}"]], 2) == [
        'a="1",b="%s"',
        'a="2",b="{}"',
    ]
    assert label_texts([], [], 3) == ["", "", ""]


def test_samples_of_bees_counter_page() -> None:
    labels = (
        'comm="infocmp",exit_code="0",exit_time="2396600383928",pid="16234",ppid="16221",sig="0",'
        'start_time="2396599269958",tid="16234"'
    )
    assert head("ebpf_solo_io_exits", "counter") + "".join(
        samples("ebpf_solo_io_exits", {labels: 1})
    ) == (
        "# HELP ebpf_solo_io_exits \n"
        "# TYPE ebpf_solo_io_exits counter\n"
        'ebpf_solo_io_exits{comm="infocmp",exit_code="0",exit_time="2396600383928",pid="16234",ppid="16221",sig="0",'
        'start_time="2396599269958",tid="16234"} 1\n'
    )


def test_samples_without_labels_and_of_any_number() -> None:
    assert "".join(samples("m", {"": 2.5})) == "m 2.5\n"
    assert (
        "".join(samples("m", {'a="1"': 10**6, 'a="2"': -3, 'a="3"': True}))
        == 'm{a="1"} 1e+06\nm{a="2"} -3\nm{a="3"} 1\n'
    )


def test_histogram_buckets_are_cumulative_and_inclusive() -> None:
    histogram = Histogram(2)
    for value, times in ((1, 1), (2, 3), (2.5, 1), (100, 2)):
        histogram.observe((1, 2), value, times)
    assert list(histogram_samples("h", (1, 2), {"": histogram})) == [
        'h_bucket{le="1"} 1\n',
        'h_bucket{le="2"} 4\n',
        'h_bucket{le="+Inf"} 7\n',
        "h_sum 209.5\n",
        "h_count 7\n",
    ]


def test_nan_is_in_the_last_bucket_alone() -> None:
    histogram = Histogram(1)
    histogram.observe((1,), math.nan, 1)
    assert "".join(histogram_samples("h", (1,), {'a="x"': histogram})) == (
        'h_bucket{a="x",le="1"} 0\n'
        'h_bucket{a="x",le="+Inf"} 1\n'
        'h_sum{a="x"} NaN\n'
        'h_count{a="x"} 1\n'
    )
