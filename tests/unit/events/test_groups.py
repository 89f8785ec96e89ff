import random
from collections import Counter

from beepy.events.groups import Groups


def make(key: object) -> tuple[bytes, int]:
    return str(key).encode(), 9


def test_counts_are_exact_while_all_groups_fit() -> None:
    groups = Groups(100)
    groups.add([("a", 2), ("b", 1)], make)
    groups.add([("b", 5)], make)
    largest = groups.largest(5, lambda group: group.seen)
    assert [(group.record, group.seen, group.missed) for group in largest] == [
        (b"b", 6, 0),
        (b"a", 2, 0),
    ]
    assert (groups.events, groups.floor, len(groups)) == (8, 0, 2)


def test_values_are_summed_and_missing_ones_only_counted() -> None:
    groups = Groups()
    groups.add_values([("a", 1 << 80), ("a", -3), ("a", None), ("b", 0.5)], make)
    first, second = groups.largest(2, lambda group: group.seen)
    assert (first.seen, first.valued, first.total) == (3, 2, (1 << 80) - 3)
    assert (second.valued, second.total) == (1, 0.5)


def test_equal_groups_come_in_the_order_of_their_arrival() -> None:
    groups = Groups()
    groups.add([(key, 1) for key in "cab"], make)
    assert [g.record for g in groups.largest(2, lambda g: g.seen)] == [b"c", b"a"]


def test_errors_bound_what_is_missing() -> None:
    numbers = random.Random(16)
    keys = [int(numbers.paretovariate(0.7)) for _ in range(60_000)]
    truth = Counter(keys)
    groups = Groups(200)
    for at in range(0, len(keys), 500):
        groups.add(Counter(keys[at : at + 500]).items(), make)
    assert len(groups) <= 200
    assert groups.events == len(keys)
    held = {int(group.record): group for group in groups.largest(200, lambda group: group.seen)}
    assert all(g.seen <= truth[key] <= g.seen + g.missed for key, g in held.items())
    assert all(count <= groups.floor for key, count in truth.items() if key not in held)
    assert groups.floor <= len(keys) // 100
    assert [key for key, _ in truth.most_common(3)] == [*held][:3]


def test_a_million_groups_take_bounded_memory() -> None:
    groups = Groups()
    for at in range(0, 1_000_000, 10_000):
        groups.add([*[(key, 1) for key in range(at, at + 10_000)], ("often", 100)], make)
        assert len(groups) <= 65_536
    (often,) = groups.largest(1, lambda group: group.seen)
    assert (often.record, often.seen, often.missed) == (b"often", 10_000, 0)
    assert groups.events == 1_010_000
    assert 0 < groups.floor < 1_000_000 // 32_768 + 1


def test_long_records_are_bounded_by_their_bytes() -> None:
    groups = Groups(most_bytes=100_000)
    for key in range(1000):
        groups.add([(key, 1)], lambda _: (bytes(2000), 2000))
        assert len(groups) * 4600 <= 100_000
