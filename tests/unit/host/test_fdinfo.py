import os
import subprocess

from beepy.host import fdinfo


def test_fields_of_a_descriptor() -> None:
    with open(os.devnull, "rb") as file:  # noqa: PTH123
        fields = fdinfo.fields(os.getpid(), file.fileno())
        assert fdinfo.target(os.getpid(), file.fileno()) == os.devnull
    assert {"pos", "flags", "mnt_id"} <= fields.keys()
    assert fields["pos"] == "0"


def test_a_process_that_has_ended_is_not_unreadable() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert fdinfo._is_ending(process.pid)
    assert fdinfo._is_ending(process.pid)
    assert not fdinfo._is_ending(os.getpid())
