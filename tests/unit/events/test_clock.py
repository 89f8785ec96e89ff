import time

from beepy.events.clock import SECOND, Clock


class Clocks:
    """The clocks of a machine that runs for a day and was suspended for an hour."""

    def __init__(self) -> None:
        self.monotonic = 86_400 * SECOND
        self.boot = self.monotonic + 3600 * SECOND
        self.real = 1_793_534_400 * SECOND
        self.calls = 0

    def read(self, clock: int) -> int:
        self.calls += 1
        return {
            time.CLOCK_MONOTONIC: self.monotonic,
            time.CLOCK_BOOTTIME: self.boot,
            time.CLOCK_REALTIME: self.real,
        }[clock]


def test_a_timestamp_is_of_the_clock_that_makes_it_the_latest() -> None:
    clocks = Clocks()
    clock = Clock(clocks.read)
    assert clock.now() == clocks.real
    assert clock.wall(clocks.monotonic - 5) == clocks.real - 5
    assert clock.wall(clocks.boot - 5) == clocks.real - 5


def test_a_number_that_is_not_a_time_of_this_boot_is_none() -> None:
    clocks = Clocks()
    clock = Clock(clocks.read)
    assert clock.wall(0) is None
    assert clock.wall(-1) is None
    assert clock.wall(clocks.boot + SECOND) is None
    assert clock.wall((1 << 64) - 1) is None
    assert clock.wall(1) == clocks.real - clocks.monotonic + 1


def test_the_offsets_of_the_clocks_are_read_once_a_second() -> None:
    clocks = Clocks()
    clock = Clock(clocks.read)
    clock.wall(1)
    clocks.calls = 0
    clocks.real += 100 * SECOND  # somebody sets the wall clock
    before = clock.wall(clocks.monotonic)
    assert clocks.calls == 1
    clocks.monotonic += SECOND
    clocks.real += SECOND
    after = clock.wall(clocks.monotonic)
    assert before is not None
    assert after == clocks.real == before + 101 * SECOND


def test_the_machines_own_clocks_are_the_default() -> None:
    clock = Clock()
    wall = clock.wall(time.monotonic_ns())
    assert wall is not None
    assert clock.wall(time.clock_gettime_ns(time.CLOCK_BOOTTIME)) is not None


def test_another_thread_never_sees_offsets_that_were_not_read() -> None:
    clocks = Clocks()
    seen: list[int | None] = []

    def read(number: int) -> int:
        # While this thread asks, the other one does.
        if number != time.CLOCK_MONOTONIC and not seen:
            seen.append(0)
            seen.append(clock.wall(clocks.monotonic))
        return clocks.read(number)

    clock = Clock(read)
    assert clock.wall(clocks.monotonic) == clocks.real
    assert seen == [0, clocks.real]


def test_the_offsets_of_a_moment_are_those_that_timestamps_get() -> None:
    clocks = Clocks()
    clock = Clock(clocks.read)
    monotonic, boot, real = clock.times()
    assert (monotonic, boot, real) == (clocks.monotonic, clocks.boot, clocks.real)
    clocks.real += 100  # is noticed within a second
    assert clock.times() == (monotonic, boot, real)
    assert clock.offsets() == (boot - monotonic, real - monotonic)
    clock.renew()
    assert clock.offsets() == (boot - monotonic, real + 100 - monotonic)
