"""``beepy inspect`` shows what is in a registry, a store or an archive, and fetches no layer."""

import json
import os
import pty
import tarfile
import termios
from contextlib import suppress
from pathlib import Path

import pytest

from beepy.errors import ImageNotFound, UnsupportedImage
from beepy.oci.admission import ImageSource
from beepy.oci.formats import bee
from beepy.oci.inspect import inspect
from beepy.oci.lookup import Options, bundled_store
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.options import PullPolicy
from tests.registry.conftest import Ours
from tests.registry.hostile import NAME, PROGRAM, Call, Hostile, digest, on
from tests.support.command import Beepy

pytestmark = pytest.mark.registry

EVIL = "\x1b[31mred\u202e"


def test_nothing_is_fetched_but_what_is_shown(plain: Hostile, ours: Ours) -> None:
    seen = inspect(plain.image, Options(storage=ours.store.path))
    assert (seen.source, seen.data) == (ImageSource.REGISTRY, plain.manifest)
    assert (seen.config, seen.referrers) == (b"{}", ())
    assert not [request for request in plain.seen if digest(PROGRAM) in request.path]
    assert ours.store.list() == ()
    assert not ours.store.path.exists()


def test_a_local_image_is_asked_for_as_pull_says(plain: Hostile, ours: Ours) -> None:
    ours.pull(plain.image)
    plain.replace_manifest(annotations={"new": "yes"})
    plain.seen.clear()
    options = Options(storage=ours.store.path)
    policies: dict[PullPolicy, dict[str, str]] = {
        "missing": {},
        "never": {},
        "always": {"new": "yes"},
    }
    for policy, annotations in policies.items():
        seen = inspect(plain.image, options._replace(pull=policy))
        assert seen.annotations == annotations
        assert bool(plain.seen) == (policy == "always")
    with pytest.raises(ImageNotFound, match="no registry may be asked"):
        inspect(f"{plain.host}/x/y:1", options._replace(pull="never"))
    with pytest.raises(ImageNotFound, match="no image 'exitsnop': did you mean exitsnoop"):
        inspect("exitsnop", options)
    assert inspect("exitsnoop", options).source is ImageSource.BUNDLED


def test_an_alias_is_asked_for_as_pull_says(plain: Hostile, ours: Ours, home: Path) -> None:
    settings = home / ".config" / "beepy" / "registries.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'default-registry = "{plain.host}"\n[aliases]\nmine = "{plain.image}"\n')
    ours.pull(plain.image)
    plain.replace_manifest(annotations={"new": "yes"})
    options = Options(storage=ours.store.path)
    assert inspect("mine", options).annotations == {}
    assert inspect("mine", options._replace(pull="always")).annotations == {"new": "yes"}
    assert inspect("exitsnoop", options._replace(pull="always")).source is ImageSource.BUNDLED


def test_an_archive(ours: Ours, tmp_path: Path) -> None:
    stored = ours.store.add_image("x", PROGRAM, {})
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("oci-layout", "index.json", "blobs"):
            archive.add(ours.store.path / name, name)
    seen = inspect(str(path))
    assert (seen.source, seen.top.digest) == (ImageSource.ARCHIVE, stored)
    (tmp_path / "x.o").write_bytes(PROGRAM)
    with pytest.raises(UnsupportedImage, match="an ELF object, not an image"):
        inspect(str(tmp_path / "x.o"))


def as_index(plain: Hostile) -> bytes:
    """Make the served image an index; return the manifest in it."""
    child = plain.manifest
    plain.blobs[digest(child)] = child
    entry = {"mediaType": OCI_MANIFEST, "digest": digest(child), "size": len(child)}
    plain.manifest = json.dumps(
        {
            "schemaVersion": 2,
            "manifests": [
                {**entry, "platform": {"os": "linux", "architecture": name}}
                for name in ("amd64", "arm64", EVIL)
            ],
            "annotations": {EVIL: EVIL},
        }
    ).encode()
    plain.manifest_type = OCI_INDEX
    return child


def test_json_has_the_same_members_for_all(plain: Hostile, ours: Ours, home: Path) -> None:
    beepy = Beepy(home)
    of_manifest = json.loads(beepy("inspect", plain.image, "-o", "json").out)
    assert of_manifest["config"]["content"] == {}
    assert [layer["digest"] for layer in of_manifest["layers"]] == [digest(PROGRAM)]
    assert of_manifest["layers"][0]["annotations"] == {
        "org.opencontainers.image.title": "program.o"
    }
    as_index(plain)
    of_index = json.loads(beepy("inspect", plain.image, "-o", "json").out)
    assert of_index.keys() == of_manifest.keys()
    assert (of_index["config"], of_index["layers"]) == (None, [])
    assert [child["platform"] for child in of_index["manifests"]][:2] == [
        "linux/amd64",
        "linux/arm64",
    ]
    assert of_index["annotations"] == {EVIL: EVIL}
    del ours


def test_text_is_safe_and_fits_a_terminal(plain: Hostile, home: Path) -> None:
    as_index(plain)
    beepy = Beepy(home)
    for image in (plain.image, "exitsnoop"):
        out = beepy("inspect", image).out
        assert out.replace("\n", "").isprintable()
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        with beepy.start("inspect", image, stdout=theirs) as running:
            os.close(theirs)
            shown = b""
            with suppress(OSError):  # EIO: the other end is closed
                while chunk := os.read(ours, 1 << 16):
                    shown += chunk
            assert running.wait().code == 0
        os.close(ours)
        assert max(map(len, shown.decode().splitlines())) <= 80
        assert "".join(shown.decode().split()) == "".join(out.split())


def test_raw_is_the_manifest_itself(plain: Hostile, home: Path) -> None:
    plain.manifest = plain.manifest.replace(b",", b" ,\n ")
    done = Beepy(home)("inspect", plain.image, "-o", "raw")
    assert (done.code, done.out, done.err) == (0, plain.manifest.decode(), "")
    data = bundled_store().layout.read(inspect("exitsnoop").top)
    assert Beepy(home)("inspect", "exitsnoop", "-o", "raw").out == data.decode()


def test_a_missing_config_and_refused_referrers_are_warned_of(plain: Hostile, home: Path) -> None:
    del plain.blobs[digest(bee.CONFIG_BODY)]
    plain.twists.append(on("/referrers/", lambda call: call.answer(403)))
    done = Beepy(home)("inspect", plain.image)
    assert done.code == 0
    assert ["/referrers" not in line for line in done.said] == [True, True]
    assert [line.partition(": ")[0] for line in done.said] == ["warning", "warning"]
    assert "referrers  unknown" in done.out


def test_what_is_not_there(plain: Hostile, home: Path) -> None:
    done = Beepy(home)("inspect", f"{plain.host}/{NAME}:none")
    assert (done.code, done.out) == (1, "")
    assert "does not have it" in done.said[0]


def test_a_config_that_is_another(plain: Hostile, home: Path) -> None:
    def answer(call: Call) -> bool:
        return call.answer(200, b"[]")

    plain.twists.append(on(f"/blobs/{digest(b'{}')}", answer))
    done = Beepy(home)("inspect", plain.image)
    assert done.code == 0
    assert "content is sha256:" in done.said[0]
    assert "[]" not in done.out
