"""The programs of bpf/test/ that test themselves return 0, or the line that found a fault."""

import shutil
import struct
from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.errors import VerifierError
from beepy.obj.parse import parse
from bpf import build

RAW_TP = bytes(16)  # the context of a raw tracepoint with two arguments
CHECKS = {
    "calls": {"subprograms": b"", "callbacks": b"", "elsewhere": RAW_TP},
    "data": {"initial": b"", "change": b""},
    "kconfig": {"tell": b""},
    "slots": {"maps": RAW_TP},
    "everything": {"emit": b""},
    "bee_types": {"emit": b""},
}
REFUSED = {  # where the C source says "refused here"
    name: next(
        at for at, line in enumerate(path.read_text().splitlines(), 1) if "refused here" in line
    )
    for name, path in ((name, build.SOURCES / path) for name, path in build.sources().items())
    if name.startswith("err_")
}


@pytest.fixture(scope="module", params=["clang-14", "clang-16", "clang-19"])
def objects(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return build.objects(
        tmp_path_factory.mktemp("objects"), request.param, (*CHECKS, *REFUSED, "generator")
    )


@pytest.mark.parametrize("name", CHECKS)
def test_a_program_finds_no_fault(name: str, objects: dict[str, Path]) -> None:
    with load(parse(objects[name].read_bytes(), name)) as collection:
        found = {
            program: collection.programs[program].run(ctx).retval
            for program, ctx in CHECKS[name].items()
        }
    assert found == dict.fromkeys(CHECKS[name], 0)


def test_a_tail_call_reaches_the_program_that_the_object_put_there(
    objects: dict[str, Path],
) -> None:
    with load(parse(objects["slots"].read_bytes(), "slots")) as collection:
        assert collection.programs["jump"].run(RAW_TP).retval == 4242


def test_the_generator_tells_what_it_sent(objects: dict[str, Path]) -> None:
    request = struct.Struct("<QIIQQ")
    with load(parse(objects["generator"].read_bytes(), "generator")) as collection:
        result = collection.programs["generate"].run(request.pack(1000, 16, 0, 0, 0))
        assert (result.retval, request.unpack(result.ctx)) == (0, (1000, 16, 0, 1000, 0))
        _, _, _, sent, dropped = request.unpack(
            collection.programs["generate"].run(request.pack(300_000, 0, 0, 0, 0)).ctx
        )
    assert sent + dropped == 300_000
    assert dropped > 0


@pytest.mark.parametrize("name", REFUSED)
def test_the_verifier_refuses(name: str, objects: dict[str, Path]) -> None:
    with pytest.raises(VerifierError, match=f"program '{name}'") as caught:
        load(parse(objects[name].read_bytes(), name))
    notes = "\n".join([str(caught.value), *caught.value.__notes__])
    assert f"{name}.bpf.c:{REFUSED[name]}" in notes
