"""The user's options for stores and registries, and the default paths."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from beepy.oci import policy as policies  # most runs have none

PullPolicy = Literal["always", "missing", "never"]
POLICIES: Final[tuple[str, ...]] = get_args(PullPolicy)


class Options(NamedTuple):
    """How images are looked up.

    ``storage`` and ``config_dir`` replace the defaults: with ``storage`` no other local store is
    read, with ``config_dir`` no other ``config.json`` of beepy or bee. ``configs`` are credentials
    files that are read first. ``username`` and ``password`` are for the registry of the image,
    whichever it is. ``insecure`` disables the verification of certificates, ``plain_http`` uses
    HTTP without TLS, the authorities in ``ca_file`` (PEM) are trusted besides the system's.
    ``policy`` says which images may be used; with ``verify``, only those that it says are signed.
    """

    storage: Path | None = None
    config_dir: Path | None = None
    configs: tuple[Path, ...] = ()
    username: str | None = None
    password: str | None = None
    insecure: bool = False
    plain_http: bool = False
    ca_file: Path | None = None
    pull: PullPolicy = "missing"
    policy: "policies.Policy | None" = None
    verify: bool = False


def home() -> Path:
    """Return the user's home directory."""
    return Path(os.environ.get("HOME") or "/")


def default_storage() -> Path:
    """Return beepy's own store, ``$XDG_DATA_HOME/beepy/store``."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else home() / ".local" / "share") / "beepy" / "store"


def default_config_dir() -> Path:
    """Return beepy's configuration directory, ``$XDG_CONFIG_HOME/beepy``."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else home() / ".config") / "beepy"


def registries_file(options: Options) -> Path:
    """Return the path of ``registries.toml``."""
    return (options.config_dir or default_config_dir()) / "registries.toml"


def bee_dir() -> Path:
    """Return bee's directory, which holds its store and its credentials."""
    return home() / ".bumblebee"
