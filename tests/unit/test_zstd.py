import pytest
from zstandard import ZstdDecompressor, get_frame_parameters

from beepy import zstd
from beepy.errors import RecordingError


def test_a_frame_has_a_checksum_and_is_bounded() -> None:
    frame = zstd.compressor()(b"x" * 1000)
    assert get_frame_parameters(frame).has_checksum
    assert ZstdDecompressor().decompress(frame) == b"x" * 1000
    assert zstd.decompress(frame, 1000, RecordingError, "here") == b"x" * 1000
    assert len(zstd.decompress(frame, 10, RecordingError, "here")) == 11
    with pytest.raises(RecordingError, match=r"^here: "):
        zstd.decompress(b"nothing", 10, RecordingError, "here")
