"""Arguments of public functions: valid ones are accepted, others are errors that name them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import beepy
from beepy import api, arguments, image_api, inspection
from beepy.errors import ImageNotFound, UsageError
from beepy.launch import Launched
from beepy.oci.lookup import bundled_store
from beepy.request import RunRequest

untyped: Any = beepy  # so that wrong arguments need no marks
SPEC = untyped.parse("exitsnoop")
A_NUMBER = "a number above 0"


def opened(**given: object) -> Callable[[], object]:
    return lambda: untyped.open(SPEC, **given)


def described(**given: object) -> Callable[[], object]:
    return lambda: untyped.describe("exitsnoop", **given)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: untyped.find(3), "image: expected its name or path, got 3"),
        (lambda: untyped.pull(3), "image: expected its name or path, got 3"),
        (lambda: untyped.find("exitsnoop", {}), r"options: expected Options\(...\), got {}"),
        (
            lambda: untyped.parse(7),
            "source: expected an image, its name, or the bytes of an object, got 7",
        ),
        (lambda: untyped.load(7), "image: expected its name or path, got 7"),
        (
            lambda: untyped.load(SPEC, targets={"sched_process_exit": 7}),
            r"targets\['sched_process_exit'\]: expected a",
        ),
        (lambda: untyped.load(SPEC, variables={3: 4}), "variables: expected names, got 3"),
        (
            lambda: untyped.stream(SPEC),
            r"collections: expected what load returns, got CollectionSpec\('exit",
        ),
        (lambda: untyped.stream(timeout="5"), "timeout: expected a number of seconds, got '5'"),
        (lambda: untyped.Decoder(42), "schema: expected a Schema, such as batch.schema, got 42"),
        (
            lambda: untyped.open(42),
            "images: expected a name, a path, an Image or a CollectionSpec, got 42",
        ),
        (lambda: untyped.open(["x"]), r"images: expected a name, .* got \['x'\]"),
        (opened(variables=[("a", 1)]), "variables: expected a mapping of names to values, got "),
        (
            opened(targets=["a"]),
            "targets: expected a mapping of programs to what they attach to, got ",
        ),
        (opened(targets={"a": 3}), "targets: expected a text for each program, got 3"),
        (opened(filters=5), "filters: expected a text, or several, got 5"),
        (opened(texts=[5]), "texts: expected texts, got 5"),
        (opened(programs=5), "programs: expected a text, or several, got 5"),
        (opened(timeout="5"), "timeout: expected a number of seconds, got '5'"),
        (opened(interval="1s"), "interval: expected a number of seconds, got '1s'"),
        (opened(pid="self"), f"pid: expected {A_NUMBER}, or several, got 'self'"),
        (opened(types=["event"]), r"types: expected a mapping of maps to types, got \['event'\]"),
        (described(types={"a": 3}), "types: expected a type in C for each map, got 3"),
        (described(types=3), "types: expected a mapping of maps to types, got 3"),
        (
            lambda: untyped.json_schema("exitsnoop", types=3),
            "types: expected a mapping of maps to types, got 3",
        ),
        (opened(count="1"), f"count: expected {A_NUMBER}, got '1'"),
        (opened(until=1), "until: expected an expression, got 1"),
        (opened(iface=3), "iface: expected a text, got 3"),
        (opened(btf=3), "btf: expected a path, or types, got 3"),
        (opened(pins="/x"), r"pins: expected Pins\(...\), got '/x'"),
        (opened(options="x"), r"options: expected Options\(...\), got 'x'"),
        (opened(policy=3), "policy: expected a path, got 3"),
        (opened(verify=3), "verify: expected True, a Signer, or several, got 3"),
        (opened(verify=["cosign.pub"]), "verify: expected True, a Signer, or several, got 'cos"),
        (opened(verify="cosign.pub"), "verify: expected True, a Signer, or several, got 'c'"),
    ],
)
def test_a_wrong_type_is_named(call: Callable[[], object], error: str) -> None:
    with pytest.raises(TypeError, match=f"^{error}"):
        call()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (untyped.open, "images: expected at least one, got none"),
        (lambda: next(untyped.run()), "images: expected at least one, got none"),
        (
            lambda: untyped.load(SPEC, missing="ignore"),
            "missing: expected 'fail', 'skip' or 'note', got 'ignore'",
        ),
        (
            lambda: untyped.load(SPEC, targets={"exit": "x"}),
            "targets: expected sched_process_exit, got 'exit'",
        ),
        (lambda: untyped.stream(interval=-1), "interval: expected at least 0 seconds, got -1"),
        (opened(missing="ignore"), "missing: expected 'fail', 'skip' or 'note', got 'ignore'"),
        (opened(timeout=-1), "timeout: expected at least 0 seconds, got -1"),
        (opened(timeout=float("nan")), "timeout: expected at least 0 seconds, got nan"),
        (opened(count=0), f"count: expected {A_NUMBER}, got 0"),
        (opened(pid=-1), f"pid: expected {A_NUMBER}, or several, got -1"),
        (
            opened(pid=1 << 33),
            f"pid: expected {A_NUMBER}, or several, up to 4194304, got 8589934592",
        ),
        (
            opened(programs="a"),
            "programs 'a': no program has that name: expected sched_process_exit",
        ),
        (lambda: next(untyped.run(SPEC, by="comm")), "by: expected top, too"),
        (opened(texts="x"), "texts 'x': no array of bytes has that name"),
        (opened(targets={"x": "y"}), "targets: program 'x': known programs: sched_process_exit"),
        (opened(iface="lo"), "iface: exitsnoop: not used by any program"),
        (opened(verify=True), "verify: expected images by name or path"),
        (opened(verify=[]), "verify: expected at least one signer, got none"),
        (opened(verify=()), "verify: expected at least one signer, got none"),
        (opened(verify=untyped.Signer()), "signer 1: a key, or an identity and its issuer"),
        (
            opened(verify=untyped.Signer(key="x"), policy="y"),
            "verify: expected True: the policy names the signers",
        ),
        (lambda: untyped.verify("exitsnoop"), "signers: expected at least one, or a policy"),
        (
            lambda: untyped.open("exitsnoop", verify=True),
            "verify=True: neither a signer nor a policy is given",
        ),
        (
            lambda: image_api.describe("exitsnoop", btf="x"),
            "btf: expected check=True or relocations=True too",
        ),
    ],
)
def test_a_wrong_value_is_named(call: Callable[[], object], error: str) -> None:
    with pytest.raises(UsageError, match=f"^{error}"):
        call()


@pytest.mark.parametrize("option", ["pull", "options"])
def test_a_policy_that_does_not_exist(option: str) -> None:
    given = (
        {"pull": "sometimes"}
        if option == "pull"
        else {"options": untyped.Options(pull="sometimes")}
    )
    with pytest.raises(
        UsageError, match=r"^pull: expected 'always', 'missing' or 'never', got 'sometimes'$"
    ):
        untyped.open("exitsnoop", **given)


def test_what_is_meant_is_taken(tmp_path: Path) -> None:
    image = bundled_store().get("exitsnoop")
    (tmp_path / "object.o").write_bytes(image.programs[0])
    assert untyped.find(image) is image
    assert untyped.find(tmp_path / "object.o").programs == image.programs
    assert untyped.parse("exitsnoop").programs == untyped.parse(image).programs == SPEC.programs
    assert untyped.parse(tmp_path / "object.o").programs == SPEC.programs
    assert image_api.describe("exitsnoop").name == image_api.describe(image).name == "exitsnoop"
    schema = beepy.json_schema(image)
    assert schema == beepy.json_schema("exitsnoop") == inspection.json_schema(image)
    storage = untyped.Options(storage=str(tmp_path / "store"))
    assert {entry.name for entry in untyped.images(storage)} == set(bundled_store().names())


def test_a_path_is_a_file_and_no_bundled_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageNotFound, match=r"^\./exitsnoop: no such file$"):
        untyped.find(Path("exitsnoop"))


def test_several_objects_are_no_spec() -> None:
    image = bundled_store().get("exitsnoop")
    with pytest.raises(
        UsageError, match=r"^spec: expected one object, such as parse\(image, 0\), got Image\('exit"
    ):
        untyped.load(image._replace(programs=2 * image.programs))


def test_a_long_value_is_cut() -> None:
    assert len(str(arguments.wrong_type("x", "y", list(range(1000))))) < 100


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, (1.0, True)),
        ({"interval": "image"}, (1.0, True)),
        ({"interval": 1.0}, (1.0, False)),
        ({"interval": None}, (None, False)),
    ],
)
def test_an_interval_that_is_given_is_taken(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, object], asked: tuple[float | None, bool]
) -> None:
    """Also if it is that of images which say none."""
    requests: list[RunRequest] = []

    def note(request: RunRequest) -> Launched:
        requests.append(request)
        raise UsageError("noted")

    monkeypatch.setattr(api, "launch", note)
    with pytest.raises(UsageError, match="noted"):
        untyped.open(SPEC, **given)
    assert [(request.interval, request.own_intervals) for request in requests] == [asked]
