"""Attachments that outlive their process: journaled, made, and undone when their Link is closed."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from beepy.errors import KernelError
from beepy.hooks import journal
from beepy.kernel import netns
from beepy.kernel.link import Link, Step
from beepy.log import Log
from beepy.sys.fd import Fd
from beepy.text import safe

_log = Log(__name__)


def attach_persistent(
    entry: tuple[str, ...],
    attach: Callable[[], None],
    detach: Callable[[], None],
    steps: Sequence[Step],
) -> Link:
    """Add the journal ``entry`` (kind and arguments), attach, and return the Link that detaches.

    ``attach`` raises KernelError only if it attached nothing. ``detach`` does nothing if nothing is
    attached; if it raises KernelError, a warning is logged, and the next start tries again.
    ``steps`` are what ``detach`` does. Raises what ``attach`` does.
    """
    journal_entry = journal.add(*entry)

    def end() -> None:
        try:
            detach()
        except KernelError as error:
            what = safe(" ".join(entry))
            _log.warning("%s: not detached, the next start tries again: %s", what, error)
            return
        journal_entry.remove()

    try:
        attach()
    except KernelError:
        journal_entry.remove()
        raise
    except BaseException:
        # Interrupted (Ctrl-C): it may or may not be attached.
        end()
        raise
    return Link(then=(end,), steps=steps)


def attach_persistent_in_netns(  # noqa: PLR0917 - those of attach_persistent, and where
    namespace: Fd,
    path: str,
    entry: tuple[str, ...],
    attach: Callable[[], None],
    detach: Callable[[], None],
    steps: Sequence[Step],
) -> Link:
    """Do what ``attach_persistent`` does for this thread's network ``namespace``.

    The Link keeps the namespace alive and detaches in it. ``path`` is where a later process may
    find the namespace; see ``cleanup_in_netns``.
    """
    with ExitStack() as stack:
        own_namespace = stack.enter_context(Fd(os.dup(namespace.fileno())))

        def detach_in_netns() -> None:
            with netns.entered(own_namespace):
                detach()

        kind, *args = entry
        entry = (kind, path, netns.identity(namespace), *args)
        if path != str(netns.path("")):
            steps = (*steps, "namespace")
        link = attach_persistent(entry, attach, detach_in_netns, steps)
        stack.pop_all()
    return Link(then=(link.close, own_namespace.close), steps=steps)


def cleanup_in_netns(cleanup: Callable[..., None]) -> Callable[..., None]:
    """Return the cleanup function for entries of ``attach_persistent_in_netns``.

    It calls ``cleanup`` with the entry's own arguments in the entry's network namespace, or does
    nothing if that is gone.
    """

    def entering(path: str, identity: str, *args: str) -> None:
        namespace = netns.find(identity, path)
        if namespace:
            with namespace, netns.entered(namespace):
                cleanup(*args)

    return entering
