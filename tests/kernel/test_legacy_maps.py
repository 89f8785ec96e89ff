"""Maps defined as before BTF, which libbpf 1.0 and newer refuse."""

import shutil

import pytest

from beepy.collection.load import load
from beepy.obj.parse import parse
from bpf import build


@pytest.mark.parametrize("clang", ["clang-14", "clang-16", "clang-19"])
def test_a_program_uses_them(clang: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    if not shutil.which(clang):
        pytest.skip(f"{clang} is not installed")
    made = build.objects(tmp_path_factory.mktemp("legacy"), clang, ("legacy_maps",))
    with load(parse(made["legacy_maps"].read_bytes(), "legacy_maps")) as collection:
        assert collection.programs["legacy"].run().retval == 0
        key = (3).to_bytes(4, "little")
        assert collection.maps["counts"].lookup(key) == (7).to_bytes(8, "little")
        types = [
            (one.info().btf_key_type_id, one.info().btf_value_type_id)
            for one in collection.maps.values()
        ]
        assert types == [(one.key, one.value) for one in collection.spec.maps]
        assert [all(pair) for pair in types] == [True, False]  # only the first one is annotated
        assert collection.maps["slots"].lookup(key) == (42).to_bytes(4, "little")
