"""``beepy package`` as a command; its parts have tests in tests/unit/manifest."""

import json
import os
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from beepy import __version__
from beepy.cli import packaging
from beepy.cli.verification import read_policy
from beepy.errors import UntrustedImage
from beepy.manifest import containerfile
from beepy.oci import lookup
from beepy.oci.descriptor import Descriptor, descriptor_of
from beepy.oci.lookup import bundled_store
from beepy.oci.manifest import OCI_MANIFEST
from beepy.oci.options import Options
from beepy.oci.store import Store
from tests.support import packed
from tests.support.command import Beepy
from tests.support.signing import bundle, bundle_holder, new_key
from tests.support.stored import add_index, blob

WHEEL = f"beepy_ebpf-{__version__}-py3-none-any.whl"
IMAGE = bundled_store().get("exitsnoop")
NOTE = (
    "note: pod.yaml: registry.example is not a registry: push the image, "
    "then package it by its name there"
)
FILES = ["Containerfile", WHEEL, "image", "pod.yaml"]


@pytest.fixture
def beepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beepy:
    """Run in a directory of its own, with a wheel: building one takes a second."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / WHEEL).write_bytes(b"PK")
    monkeypatch.chdir(tmp_path / "work")
    return Beepy(tmp_path / "home")


@pytest.fixture
def wheel(tmp_path: Path) -> tuple[str, str]:
    return "--wheel", str(tmp_path / WHEEL)


def names(directory: str) -> list[str]:
    return sorted([path.name for path in Path(directory).iterdir()])


def contents(directory: str) -> dict[str, bytes]:
    paths = sorted(Path(directory).rglob("*"))
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


def test_a_bundled_image(beepy: Beepy, wheel: tuple[str, str]) -> None:
    assert beepy("package", "exitsnoop", *wheel) == (0, "exitsnoop-package\n", f"{NOTE}\n")
    assert names("exitsnoop-package") == FILES
    assert names(".") == ["exitsnoop-package"]
    store = Store(Path("exitsnoop-package", "image"))
    assert store.get("exitsnoop") == IMAGE
    assert names(str(store.path)) == ["blobs", "index.json", "oci-layout"]
    pod = yaml.safe_load(Path("exitsnoop-package", "pod.yaml").read_text())
    kubernetes_validate.validate(pod, "1.37", strict=True)
    assert pod["spec"]["volumes"][0]["image"]["reference"] == (
        f"registry.example/exitsnoop@{IMAGE.digest}"
    )
    text = Path("exitsnoop-package", "Containerfile").read_text()
    assert f"COPY {WHEEL} " in text
    assert text.startswith(containerfile.MARK)


@pytest.mark.usefixtures("beepy")
def test_an_installed_beepy_comes_from_pypi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beepy.manifest.wheel._ROOT", tmp_path)
    order = packaging.Order("exitsnoop", "", None, "", "", None, ())
    _, notes = packaging.write(order, Options())
    assert notes[0] == (
        f"Containerfile: installs beepy-ebpf=={__version__} from PyPI; "
        "--wheel FILE installs a wheel that exists"
    )


def test_a_stored_image_by_its_alias(beepy: Beepy, wheel: tuple[str, str]) -> None:
    settings = beepy.home / ".config" / "beepy" / "registries.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[aliases]\nmine = 'a.example/tools/exits:1'\n")
    store = Store(beepy.home / ".local" / "share" / "beepy" / "store")
    digest = store.add_image("a.example/tools/exits:1", IMAGE.programs[0], {})
    assert beepy("package", "mine", *wheel) == (0, "exits-package\n", "")
    assert Store(Path("exits-package", "image")).names() == ("a.example/tools/exits:1",)
    assert f"a.example/tools/exits@{digest}" in Path("exits-package", "pod.yaml").read_text()


def test_what_it_writes_runs_there(beepy: Beepy, wheel: tuple[str, str]) -> None:
    """The entry point finds the image by the name in the layout, and nothing else."""
    assert beepy("package", "exitsnoop", *wheel).code == 0
    lines = Path("exitsnoop-package", "Containerfile").read_text().splitlines()
    entry_point = next(line for line in lines[::-1] if line.startswith("ENTRYPOINT "))
    words = json.loads(entry_point.removeprefix("ENTRYPOINT "))
    name, storage = words[2], words[words.index("--storage") + 1]
    assert (words[:2], storage) == (["beepy", "run"], "/image")
    done = beepy("--storage", "exitsnoop-package/image", "describe", name, "-o", "json")
    assert json.loads(done.out)["digest"] == IMAGE.digest
    # every option is one of beepy run: it fails at the image, which is not there
    done = beepy(*words[1:2], "nosuch", *words[3:])
    assert (done.code, done.said[0].partition(":")[0]) == (1, "beepy")
    assert "no image 'nosuch'" in done.said[0]


def test_the_same_image_gives_the_same_bytes(beepy: Beepy, wheel: tuple[str, str]) -> None:
    for directory in ("first", "second", "second"):  # the last one replaces what it wrote
        assert beepy("package", "exitsnoop", *wheel, "-o", directory, "x.y/z:1").code == 0
    first = {name.removeprefix("first"): data for name, data in contents("first").items()}
    second = {name.removeprefix("second"): data for name, data in contents("second").items()}
    assert first == second
    assert set(names("first")) == {*FILES, "pod-built.yaml"}


def test_a_stored_image_is_named_by_its_digest(beepy: Beepy, wheel: tuple[str, str]) -> None:
    """The volume is what was packaged, whatever its tag will be tomorrow."""
    own = Store(beepy.home / ".local" / "share" / "beepy" / "store")
    digest = own.add_image("a.b:5000/c/d.e_f:1", IMAGE.programs[0], {})
    done = beepy("package", "a.b:5000/c/d.e_f:1", *wheel, "--arg=--count", "--arg=1")
    assert done == (0, "d.e_f-package\n", "")
    pod = yaml.safe_load(Path("d.e_f-package", "pod.yaml").read_text())
    assert pod["spec"]["volumes"][0]["image"]["reference"] == f"a.b:5000/c/d.e_f@{digest}"
    assert pod["spec"]["containers"][0]["args"] == ["--count", "1"]
    assert Path("d.e_f-package", "Containerfile").read_text().endswith('CMD ["--count", "1"]\n')
    assert Store(Path("d.e_f-package", "image")).names() == ("a.b:5000/c/d.e_f:1",)


def test_an_elf_file_becomes_an_image(beepy: Beepy, wheel: tuple[str, str]) -> None:
    Path("My Probe.bpf.o").write_bytes(IMAGE.programs[0])
    assert beepy("package", "./My Probe.bpf.o", *wheel) == (
        0,
        "my-probe-package\n",
        f"{NOTE}\n",
    )
    image = Store(Path("my-probe-package", "image")).get("my-probe")
    assert (image.format, image.programs) == ("bee", IMAGE.programs)


def test_a_file_comes_before_an_image_of_its_name(beepy: Beepy, wheel: tuple[str, str]) -> None:
    """As for beepy run, which warns of it."""
    other = bundled_store().get("opensnoop").programs
    Path("exitsnoop").write_bytes(other[0])
    done = beepy("package", "exitsnoop", *wheel)
    assert done.code == 0
    assert done.said[0].startswith("warning: exitsnoop: the file of that name")
    assert Store(Path("exitsnoop-package", "image")).get("exitsnoop").programs == other


def test_an_archive_is_refused(beepy: Beepy, wheel: tuple[str, str]) -> None:
    import tarfile

    assert beepy("package", "exitsnoop", *wheel).code == 0
    with tarfile.open("x.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("oci-layout", "index.json", "blobs"):
            archive.add(Path("exitsnoop-package", "image", name), name)
    done = beepy("package", "./x.tar", *wheel)
    assert (done.code, done.out) == (1, "")
    assert done.said == [
        "beepy: ./x.tar: an archive: only stored images are packaged",
        "note: beepy load ./x.tar",
    ]


def test_a_file_of_another_format_is_refused(beepy: Beepy, wheel: tuple[str, str]) -> None:
    Path("package.json").write_bytes(packed.package(IMAGE.programs[0], {"bpf_skel": {}}))
    done = beepy("package", "./package.json", *wheel)
    why = "./package.json: a file of eunomia: only stored images are packaged"
    assert done == (1, "", f"beepy: {why}\n")


def test_an_image_of_another_format_has_no_volume(beepy: Beepy, wheel: tuple[str, str]) -> None:
    """Its labels are not in the volume, and without them its programs have other types."""
    store = Store(Path("store"))
    types = {"sched_process_exit": "tracepoint"}
    store.put("x:1", packed.bpfman(packed.Stored(store), IMAGE.programs[0], types))
    done = beepy("package", "--storage", "store", "x:1", "-o", "out", *wheel)
    assert (done.code, done.out) == (0, "out\n")
    assert done.said == [
        "note: no pod.yaml: the programs have no file names (titles), or not different ones"
    ]
    assert names("out") == ["Containerfile", WHEEL, "image"]
    assert Store(Path("out", "image")).get("x:1").format == "bpfman"


def test_an_image_with_beepy_needs_no_wheel(beepy: Beepy) -> None:
    for option in ("--beepy-image", "--bee-image"):
        done = beepy("package", "exitsnoop", f"{option}=ghcr.io/me/beepy:1", "-o", "out")
        assert done == (0, "out\n", f"{NOTE}\n")
        assert names("out") == ["Containerfile", "image", "pod.yaml"]
        assert "\nFROM ghcr.io/me/beepy:1\n" in Path("out", "Containerfile").read_text()
        pod = yaml.safe_load(Path("out", "pod.yaml").read_text())
        assert pod["spec"]["containers"][0]["image"] == "ghcr.io/me/beepy:1"


def test_an_alias_is_packaged_by_the_name_that_it_stands_for(
    beepy: Beepy, wheel: tuple[str, str]
) -> None:
    program = bundled_store().get("exitsnoop").programs[0]
    store = Store(beepy.home / ".local" / "share" / "beepy" / "store")
    digest = store.add_image("a.b/tools/x:1", program, {})
    settings = beepy.home / ".config" / "beepy" / "registries.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[aliases]\none = "a.b/tools/x:1"\n')
    assert beepy("package", "one", *wheel) == (0, "x-package\n", "")
    assert Store(Path("x-package", "image")).names() == ("a.b/tools/x:1",)
    assert f"a.b/tools/x@{digest}" in Path("x-package", "pod.yaml").read_text()


def test_what_only_the_user_knows_is_noted(beepy: Beepy, wheel: tuple[str, str]) -> None:
    advice = "note: program 'count' needs an interface: --arg=--iface --arg=NAME"
    assert beepy("package", "xdpcount", *wheel).said == [NOTE, advice]
    done = beepy("package", "xdpcount", *wheel, "--arg=--iface", "--arg", "eth0")
    assert done.said == [NOTE]


def test_a_signature_of_one_manifest_is_not_one_of_the_others(tmp_path: Path) -> None:
    """The image that was verified can be packaged: alone, by its digest."""
    key = new_key(tmp_path / "cosign.pub")
    store = Store(tmp_path / "store")
    programs = {"amd64": IMAGE.programs[0], "arm64": IMAGE.programs[0] + b"x"}
    index = add_index(store, "a.b/c:1", programs)
    machine = store.get("a.b/c:1")
    manifest = Descriptor(OCI_MANIFEST, machine.digest, blob(store, machine.digest).stat().st_size)

    def sign(top: Descriptor) -> None:
        holder = bundle_holder(bundle(key, top.digest), top)
        for data in holder.blobs:
            store.layout.add_blob(data, descriptor_of(data))
        store.add_referrer(holder.manifest, OCI_MANIFEST)

    policy = read_policy([key.path], "", "", None, None)
    options = Options(storage=store.path, policy=policy)
    order = packaging.Order("a.b/c:1", "", tmp_path / "out", "", "x", None, ())
    sign(manifest)
    with pytest.raises(UntrustedImage) as refused:
        packaging.write(order, options)
    why = f"not packaged: the signature is of {machine.digest}, not of the index {index}"
    assert str(refused.value) == f"a.b/c:1: {why}"
    assert refused.value.__notes__ == [f'beepy.pull("a.b/c@{machine.digest}")']
    assert not order.output or not order.output.exists()
    store.set_name(f"a.b/c@{machine.digest}", manifest)  # as that pull does
    packaging.write(order._replace(image=f"a.b/c@{machine.digest}"), options)
    (packaged,) = Store(tmp_path / "out" / "image").list()
    assert packaged.digest == machine.digest
    found = store.find("a.b/c:1")
    assert found
    sign(found[1])
    packaging.write(order, options)
    assert Store(tmp_path / "out" / "image").list()[0].digest == index


@pytest.mark.parametrize("owner", ["file", "containerfile", "mark", "pipe", "name", "wheel"])
def test_what_is_not_ours_is_kept(beepy: Beepy, wheel: tuple[str, str], owner: str) -> None:
    if owner == "mark":
        Path("out").mkdir()
        Path("out", "Containerfile").write_text("FROM scratch\n")
    elif owner == "containerfile":
        Path("out", "image").mkdir(parents=True)
    elif owner == "pipe":
        Path("out").mkdir()
        os.mkfifo("out/Containerfile")
    elif owner == "file":
        Path("out").write_text("mine")
    else:
        assert beepy("package", "exitsnoop", *wheel, "-o", "out").code == 0
        added = "kustomization.yaml" if owner == "name" else "mine-1-py3-none-any.whl"
        Path("out", added).write_text("mine")
    before = contents(".")
    why = {
        "mark": "not overwritten: its Containerfile is not of beepy package",
        "containerfile": "not overwritten: its Containerfile is not of beepy package",
        "pipe": "not overwritten: its Containerfile is not of beepy package",
        "file": "exists, and is not a directory",
        "name": "not overwritten: kustomization.yaml is not of beepy package",
        "wheel": "not overwritten: mine-1-py3-none-any.whl is not of beepy package",
    }
    done = beepy("package", "exitsnoop", *wheel, "-o", "out")
    assert (done.code, done.out, done.said[0]) == (1, "", f"beepy: out: {why[owner]}")
    assert contents(".") == before
    assert names(".") == ["out"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["exitsnoop", "--build"], 2, "--build: expected NAME too"),
        (["exitsnoop", "-b", "docker"], 2, "--builder: expected NAME too"),
        (["exitsnoop", "A B"], 2, "NAME 'A B': not the name of a container image"),
        (
            ["exitsnoop", "--base-image=x\nRUN y"],
            2,
            r"--base-image 'x\x0aRUN y': not the name of a container image",
        ),
        (["exitsnoop", "--bee-image=-"], 2, "--beepy-image '-': not the name of a container image"),
        (
            ["exitsnoop", "--bee-image=x", "--base-image=y"],
            2,
            "--beepy-image: not with --base-image: the image has beepy already",
        ),
        (
            ["exitsnoop", "--bee-image=x", "--wheel=y"],
            2,
            "--beepy-image: not with --wheel: the image has beepy already",
        ),
        (["exitsnoop", "--wheel=y.whl"], 2, "y.whl: not a wheel, NAME-VERSION-...-any.whl"),
        (["exitsnop"], 1, "no image 'exitsnop': did you mean exitsnoop?"),
        (["./x.o"], 1, "./x.o: no such file"),
        (["exitsnoop", "-o", "/proc/x", "--beepy-image=x"], 1, "/proc/.x-"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(
    beepy: Beepy, arguments: list[str], code: int, message: str
) -> None:
    done = beepy("package", *arguments)
    assert (done.code, done.out) == (code, "")
    assert done.said[0].startswith(f"beepy: {message}")
    assert all(line.startswith("note: ") for line in done.said[1:])
    assert names(".") == []


def test_without_a_builder_the_directory_stays(
    beepy: Beepy, wheel: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    beepy = beepy._replace(variables={"PATH": str(tmp_path / "bin")})
    done = beepy("package", "exitsnoop", "x.y/z:1", *wheel, "--build")
    assert (done.code, done.out) == (1, "")
    assert done.said[1:] == [
        "beepy: podman and docker: not found in PATH: a program is needed that builds containers",
        "note: install one: sudo apt install podman",
    ]
    assert set(names("exitsnoop-package")) == {*FILES, "pod-built.yaml"}


@pytest.mark.parametrize("option", [("--build",), ("-b", "podman"), ("--builder=podman",)])
def test_the_builder_gets_the_directory(
    beepy: Beepy, wheel: tuple[str, str], tmp_path: Path, option: tuple[str, ...]
) -> None:
    """A real podman builds in tests/registry/test_package.py."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "podman"
    program.write_text('#!/bin/sh\necho "$@"\nls "$5" >&2\n')
    program.chmod(0o755)
    beepy = beepy._replace(variables={"PATH": f"{program.parent}:/usr/bin:/bin"})
    done = beepy("package", "exitsnoop", "x.y/z:1", *wheel, "-o", "out", *option)
    assert (done.code, done.out) == (0, "out\n")
    assert done.said[1] == "build --format=docker --file=out/Containerfile --tag=x.y/z:1 out"
    assert sorted(done.said[2:]) == sorted([*FILES, "pod-built.yaml"])


@pytest.mark.parametrize("titles", [("",), ("a/b",), ("..",), ("x.o", "x.o"), ("x.o", "a b")])
def test_programs_without_a_file_name_are_no_volume(
    titles: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime mounts each layer as a file of its title's name."""
    image = IMAGE._replace(programs=IMAGE.programs * len(titles), program_names=titles)
    monkeypatch.setattr(lookup, "find", lambda *_: image)
    order = packaging.Order(
        image="exitsnoop",
        tag="",
        output=tmp_path / "out",
        base_image="",
        beepy_image="x",
        wheel=None,
        arguments=(),
    )
    directory, notes = packaging.write(order, Options())
    assert names(str(directory)) == ["Containerfile", "image"]
    assert notes[0].startswith("no pod.yaml: ")
