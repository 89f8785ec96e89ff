import json

import pytest

from beepy.oci.descriptor import MAX_MANIFEST, Descriptor, digest_of
from beepy.oci.links import Links, links, may_be_manifest, subject_of_tag
from beepy.oci.manifest import OCI_MANIFEST

A, B, C = (Descriptor("m", digest_of(name), 1) for name in (b"a", b"b", b"c"))
HEX = digest_of(b"a").removeprefix("sha256:")


def named(descriptor: Descriptor) -> str:
    return json.dumps(descriptor.entry())


def test_every_descriptor_counts() -> None:
    text = f'{{"layers":[{named(A)}],"config":{named(B)},"new":{{"deep":[{named(C)}]}}}}'
    assert links(text.encode()).descriptors == (A, B, C)


def test_keys_that_programs_in_go_accept() -> None:
    text = f'{{"layers":[{named(A)}],"layers":[],"Config":{named(B).replace("digest", "Digest")}}}'
    assert links(text.encode()).descriptors == (A, B)


def test_the_subject_is_no_part() -> None:
    found = links(f'{{"layers":[{named(A)}],"subject":{named(B)}}}'.encode())
    assert found == Links((A,), B.digest)
    assert links(b'{"manifests":[]}') == Links(is_index=True)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff", b"[" * 100_000, b"9" * 5000, b"null", b"\x7fELF"]
)
def test_what_is_no_object_leads_nowhere(data: bytes) -> None:
    assert links(data) == Links()


@pytest.mark.parametrize(
    ("name", "value"),
    [("digest", "sha256:../x"), ("digest", 1), ("size", -1), ("size", True), ("size", "1")],
)
def test_what_names_no_blob(name: str, value: object) -> None:
    text = json.dumps(
        {"layers": [{**A.entry(), name: value}], "subject": {**B.entry(), name: value}}
    )
    assert links(text.encode()) == Links()


def test_a_large_blob_is_named_all_the_same() -> None:
    large = A._replace(size=1 << 40)
    assert links(f'{{"layers":[{named(large)}]}}'.encode()).descriptors == (large,)


def test_what_may_be_a_manifest() -> None:
    assert may_be_manifest(Descriptor(OCI_MANIFEST, A.digest, MAX_MANIFEST))
    assert may_be_manifest(Descriptor("", A.digest, 1))
    assert not may_be_manifest(Descriptor(OCI_MANIFEST, A.digest, MAX_MANIFEST + 1))
    assert not may_be_manifest(A)


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        (f"a.b/x:sha256-{HEX}", f"sha256:{HEX}"),
        (f"a.b:5000/x:sha256-{HEX}.sig", f"sha256:{HEX}"),
        (f"sha256-{HEX}.att", f"sha256:{HEX}"),
        (f"x:sha256-{HEX}1", ""),
        (f"x:sha256-{HEX.upper()}", ""),
        (f"a.b/sha256-{HEX}", ""),
        (f"x@sha256:{HEX}", ""),
        ("x", ""),
    ],
)
def test_the_subject_of_a_tag(name: str, subject: str) -> None:
    assert subject_of_tag(name) == subject
