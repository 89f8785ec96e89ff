"""Check what a caller gives: an image's name, and the options for it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from beepy.oci.options import POLICIES, Options, registries_file
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.oci.policy import Policy  # most runs have none


def text_of(path: Path) -> str:
    """Return a path as text that names a file and cannot be a reference. Raises TypeError."""
    if not isinstance(path, Path):
        from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

        raise wrong_type("image", "its name or path", path)
    text = str(path)
    return text if text.startswith((".", "/")) else f"./{text}"


def checked(options: Options) -> Options:
    """Return the options with paths that were given as texts. Raises TypeError and UsageError."""
    if not isinstance(options, Options):
        from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

        raise wrong_type("options", "Options(...)", options)
    if options.pull not in POLICIES:
        from beepy.arguments import no_choice  # noqa: PLC0415 - as above

        raise no_choice("pull", POLICIES, options.pull)
    storage, config_dir, ca_file = map(
        _path, (options.storage, options.config_dir, options.ca_file)
    )
    options = options._replace(storage=storage, config_dir=config_dir, ca_file=ca_file)
    policy = options.policy or _configured_policy(options)
    if options.verify:
        from beepy.oci import policy as policies  # noqa: PLC0415 - few runs verify

        policy = policies.verifying(policy)
    return options._replace(policy=policy)


def asks_read_only(options: Options) -> str:
    """Return which policy asks that programs change nothing, "" for none. Raises UsageError."""
    policy = checked(options).policy
    return f"{policy.where}: read-only" if policy and policy.read_only else ""


def _configured_policy(options: Options) -> "Policy | None":
    """Return the policy of ``registries.toml``; None if it has none."""
    try:
        os.lstat(registries_file(options))
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        return None  # after su, the directory may not be searched; ValueError: a NUL
    except OSError:
        pass  # ``read`` says why
    from beepy.oci import policy as policies  # noqa: PLC0415 - few users have the file
    from beepy.oci import registries  # noqa: PLC0415 - as above

    configured = registries.read(options)
    if configured.policy is None:
        return None
    where = f"{safe(str(configured.path))}: policy"
    return policies.parse(configured.policy, where, configured.path.parent)


def _path(path: Path | str | None) -> Path | None:
    return Path(path) if isinstance(path, str) else path
