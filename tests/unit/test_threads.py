import os
import signal
import threading

from beepy import threads


def test_the_kernel_gives_a_thread_no_signals() -> None:
    ended = threading.Event()

    def wait() -> None:
        ended.wait()

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    thread = threads.start(wait, "helper")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert (thread.name, thread.daemon) == ("helper", True)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signal.sigpending() == {signal.SIGUSR1}  # it waits for the main thread
        assert signal.sigwait({signal.SIGUSR1}) == signal.SIGUSR1
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        ended.set()
        thread.join()
