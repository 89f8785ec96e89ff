"""Attachments that outlive their process: noted in the journal, made, and undone by closing the Link."""

import os
from collections.abc import Callable
from contextlib import ExitStack

from beepy.errors import KernelError
from beepy.hooks import journal
from beepy.kernel import netns
from beepy.kernel.link import Link
from beepy.log import Log
from beepy.sys.fd import Fd
from beepy.text import safe

_log = Log(__name__)


def keep(note: tuple[str, ...], make: Callable[[], None], undo: Callable[[], None]) -> Link:
    """Note, make, and return what undoes it.

    ``make`` raises KernelError if it made nothing. ``undo`` does nothing where nothing is made; if it cannot undo
    (KernelError), that is a warning, and the note stays for the next start.
    """
    entry = journal.note(*note)

    def end() -> None:
        try:
            undo()
        except KernelError as error:
            _log.warning("%s: not detached, the next start tries again: %s", safe(" ".join(note)), error)
            return
        entry.done()

    try:
        make()
    except KernelError:
        entry.done()
        raise
    except BaseException:  # interrupted: made or not
        end()
        raise
    return Link(then=(end,))


def keep_in(
    namespace: Fd, hint: str, note: tuple[str, ...], make: Callable[[], None], undo: Callable[[], None]
) -> Link:
    """Do as ``keep`` does with what belongs to this thread's network ``namespace``, which lives as long as the Link.

    ``hint`` is the path by which a later process may find it; see ``undone_in``.
    """
    with ExitStack() as stack:
        held = stack.enter_context(Fd(os.dup(namespace.fileno())))

        def undo_there() -> None:
            with netns.entered(held):
                undo()

        kind, *what = note
        link = keep((kind, hint, netns.identity(namespace), *what), make, undo_there)
        stack.pop_all()
    return Link(then=(link.close, held.close))


def undone_in(undo: Callable[..., None]) -> Callable[..., None]:
    """Return the journal's undo function of a kind that ``keep_in`` noted: ``undo`` is given what was noted."""

    def there(hint: str, identity: str, *what: str) -> None:
        namespace = netns.find(identity, hint)
        if namespace:
            with namespace, netns.entered(namespace):
                undo(*what)

    return there
