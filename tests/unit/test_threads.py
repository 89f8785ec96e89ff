import threading

from beepy import threads
from tests.support import child


def test_something_is_repeated_until_it_is_enough_or_closed() -> None:
    calls: list[int] = []
    three = threading.Event()

    def do() -> bool:
        calls.append(threading.get_ident())
        if len(calls) == 3:
            three.set()
        return len(calls) < 3

    repeated = threads.Repeated(do, 0.001, "repeated")
    repeated.close()  # it never began
    repeated = threads.Repeated(do, 0.001, "repeated")
    repeated.start()
    assert three.wait(60)
    repeated.close()
    assert len(calls) == 3
    assert threading.get_ident() not in calls
    endless = threads.Repeated(lambda: True, 1e6, "endless")
    endless.start()
    endless.close()


_WITHOUT_SIGNALS = """
import os, signal, threading
from beepy import threads

ended = threading.Event()
before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
thread = threads.start(ended.wait, "helper")
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
assert (thread.name, thread.daemon) == ("helper", True)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
os.kill(os.getpid(), signal.SIGUSR1)
assert signal.sigpending() == {signal.SIGUSR1}  # it waits for the main thread
assert signal.sigwait({signal.SIGUSR1}) == signal.SIGUSR1
ended.set()
thread.join()
"""


def test_the_kernel_gives_a_thread_no_signals() -> None:
    """In a process of its own: any thread of other tests would take the signal."""
    assert child.run(_WITHOUT_SIGNALS) == ""
