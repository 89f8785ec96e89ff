import pytest

from beepy.errors import UnsupportedImage
from tests.support.blobs import Blobs, entry


def test_an_unknown_format_names_what_was_seen() -> None:
    blobs = Blobs()
    layers = [entry(blobs.add(bytes([n]), f"application/x-{n}\x1b[31m")) for n in range(10)]
    config = entry(blobs.add(b"{}", "application/vnd.oci.image.config.v1+json"))
    body = {"schemaVersion": 2, "artifactType": "a/b", "config": config, "layers": layers}
    with pytest.raises(UnsupportedImage) as caught:
        blobs.load(blobs.add_json(body))
    message = str(caught.value)
    assert "no known eBPF image format" in message
    assert "application/vnd.oci.image.config.v1+json" in message
    assert "artifact type a/b" in message
    assert "application/x-0\\x1b[31m" in message
    assert message.endswith(", ...")
