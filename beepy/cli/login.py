"""``beepy login`` and ``beepy logout``."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from beepy.cli.settings import Settings
from beepy.cli.stdio import eprint
from beepy.errors import UsageError
from beepy.oci.options import Options
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.oci.auth import Credentials

_MAX_PASSWORD: Final = 64 << 10  # bytes

Server = Annotated[str, typer.Argument(metavar="SERVER", help="A registry: HOST[:PORT].")]


def login(
    *,
    settings: Settings,
    server: Server,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Check credentials for a registry and keep them."""
    from beepy.oci.login import log_in  # noqa: PLC0415 - not for --help

    options = _options(settings)
    credentials = _credentials(settings, server, password_stdin=password_stdin)
    kept = log_in(server, credentials, options)
    name = safe(server)
    if not kept.was_asked:
        eprint(f"warning: {name}: does not ask for credentials: they were not checked")
    place = f"credential helper '{safe(kept.helper)}'" if kept.helper else safe(str(kept.path))
    eprint(f"{name}: logged in; the credentials are in {place}")


def logout(*, settings: Settings, server: Server) -> None:
    """Remove the credentials for a registry."""
    from beepy.oci.login import log_out, other_place  # noqa: PLC0415 - not for --help

    options, name = _options(settings), safe(server)
    was_known = log_out(server, options)
    eprint(f"{name}: logged out" if was_known else f"{name}: not logged in")
    if other := other_place(server, options):
        eprint(f"warning: {name}: {safe(str(other))} still has credentials, and beepy uses them")


def _options(settings: Settings) -> Options:
    """Return the options; a directory of --config-dir need not exist yet."""
    options = settings._replace(username=None, password=None, config_dir=None).registry_options()
    return options._replace(config_dir=settings.config_dir)


def _credentials(settings: Settings, server: str, *, password_stdin: bool) -> "Credentials":
    """Return what the options say, and ask for the rest on the terminal."""
    from beepy.oci.auth import Credentials  # noqa: PLC0415 - not for --help

    username, password = settings.username, settings.password
    if password_stdin:
        if password is not None:
            raise UsageError("--password and --password-stdin: expected only one of them")
        if username is None:
            raise UsageError("--password-stdin: expected --username too")
        password = _from_stdin()
    elif password is not None:
        eprint("warning: --password: other users can see a command line; use --password-stdin")
    else:
        _expect_terminal(server)
    try:
        if username is None:
            username = _line("User name (empty for a token): ")
        if password is None:
            from getpass import getpass  # noqa: PLC0415 - only at a terminal

            password = getpass("Password: " if username else "Token: ", sys.stderr)
    except EOFError:
        eprint("")  # ends the line of the prompt
        raise UsageError(f"{safe(server)}: no password given") from None
    if not password:
        raise UsageError(f"{safe(server)}: the password is empty")
    return Credentials(username, password) if username else Credentials(identity_token=password)


def _from_stdin() -> str:
    data = sys.stdin.buffer.read(_MAX_PASSWORD + 1) if sys.stdin else b""
    if len(data) > _MAX_PASSWORD:
        raise UsageError(f"--password-stdin: more than {_MAX_PASSWORD} bytes")
    return data.decode(errors="surrogateescape").removesuffix("\n").removesuffix("\r")


def _expect_terminal(server: str) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        error = UsageError(f"{safe(server)}: no password: standard input is not a terminal")
        error.add_note(f"beepy login {safe(server)} --username NAME --password-stdin < FILE")
        raise error


def _line(prompt: str) -> str:
    """Return a line from the terminal; raise EOFError at the end of input."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()
