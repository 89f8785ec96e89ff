from beepy import map_types
from beepy.uapi import MapType


def names(wanted: str) -> set[str]:
    return {kind.type.name for kind in map_types.TABLE if getattr(kind, wanted)}


def test_every_type_of_the_kernel_has_one_row() -> None:
    assert [kind.type for kind in map_types.TABLE] == [
        kind for kind in MapType if kind is not MapType.UNSPEC
    ]


def test_types_of_keys_and_values_are_dropped_where_libbpf_drops_them() -> None:
    assert {kind.type.name for kind in map_types.TABLE if not kind.has_btf} == {
        *(
            "PERF_EVENT_ARRAY",
            "CGROUP_ARRAY",
            "STACK_TRACE",
            "ARRAY_OF_MAPS",
            "HASH_OF_MAPS",
            "DEVMAP",
            "DEVMAP_HASH",
        ),
        *("CPUMAP", "XSKMAP", "SOCKMAP", "SOCKHASH", "QUEUE", "STACK", "ARENA", "STRUCT_OPS"),
        *("RINGBUF", "USER_RINGBUF"),  # their sizes are 0, and the kernel compares
    }


def test_types_with_a_slot_per_cpu() -> None:
    assert names("is_percpu") == {
        "PERCPU_HASH",
        "PERCPU_ARRAY",
        "LRU_PERCPU_HASH",
        "PERCPU_CGROUP_STORAGE",
    }


def test_streams() -> None:
    assert names("is_stream") == {"RINGBUF", "PERF_EVENT_ARRAY"}
    assert names("counts_loss") == {"PERF_EVENT_ARRAY"}


def test_the_reason_names_the_type() -> None:
    assert map_types.not_shown(MapType.QUEUE) == "nothing reads QUEUE yet"
    assert map_types.not_shown(MapType.HASH) == ""


def test_a_type_that_is_not_in_the_table() -> None:
    assert not map_types.is_known(999)
    assert not map_types.not_shown(999)
    assert not map_types.of(999).is_percpu
