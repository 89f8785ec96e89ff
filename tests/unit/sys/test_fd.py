import os
from contextlib import suppress

import pytest

from beepy.sys.fd import Fd


def devnull() -> int:
    return os.open(os.devnull, os.O_RDONLY)


def is_open(number: int) -> bool:
    with suppress(OSError):
        os.fstat(number)
        return True
    return False


def test_owns_the_number_until_it_is_closed() -> None:
    number = devnull()
    fd = Fd(number)
    assert fd.fileno() == number
    fd.close()
    assert not is_open(number)
    with pytest.raises(ValueError, match="closed"):
        fd.fileno()


def test_a_second_close_does_not_close_another_file_of_the_same_number() -> None:
    fd = Fd(devnull())
    number = fd.fileno()
    fd.close()
    other = devnull()
    try:
        assert other == number
        fd.close()
        assert is_open(other)
    finally:
        os.close(other)


def test_a_with_block_closes_it() -> None:
    with Fd(devnull()) as fd:
        number = fd.fileno()
    assert not is_open(number)


def test_an_fd_that_is_not_closed_is_reported_and_stays_open() -> None:
    number = devnull()
    fd = Fd(number)
    with pytest.warns(ResourceWarning, match=str(number)):
        del fd
    assert is_open(number)
    os.close(number)
