import os
from pathlib import Path

from beepy.host import runtime


def test_images_are_read_as_recorded() -> None:
    images = {7: "exitsnoop", 4294967295: "ghcr.io/x/y:1 z", 8: "a\nb"}
    with runtime.record_images(images.items()) as fd:
        record = os.pread(fd.fileno(), 1000, 0)
        link = Path(f"/proc/self/fd/{fd.fileno()}").readlink()
    assert str(link) == f"/memfd:{runtime.RECORD} (deleted)"
    assert runtime.recorded_images(record) == {**images, 8: r"a\x0ab"}


def test_what_others_write_is_ignored() -> None:
    text = b"x y\n-1 a\n7\n8 \n99999999999999 b\n\xff\n\xb2 c\n9 \xff"
    assert runtime.recorded_images(text) == {9: "\ufffd"}
