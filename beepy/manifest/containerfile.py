"""The Containerfile of an image: beepy, and the image's layout beside it.

Its text depends on nothing but the arguments.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from beepy.manifest.needs import Needs
from beepy.oci.manifest import BASE_NAME, OCI_PREFIX, TITLE
from beepy.text import excerpt

MARK: Final = "# Written by beepy package, which replaces this directory when it writes it again."
"""The first line."""

BASE: Final = "docker.io/library/python:3.13-slim-trixie"
LAYOUT: Final = "/image"
"""Where the layout is in the container."""

METRICS_PORT: Final = 9091
SERVE: Final = ("--prom-host", "0.0.0.0", "--prom-port", str(METRICS_PORT))  # noqa: S104 - of the container
"""The arguments that serve the page of metrics, and the one of the health check, outside too."""

HEALTH_PATH: Final = "/healthz"

_HEALTH_CHECK: Final = (
    "import http.client; "
    f"page = http.client.HTTPConnection('127.0.0.1', {METRICS_PORT}, timeout=3); "
    f"page.request('GET', '{HEALTH_PATH}'); "
    "raise SystemExit(page.getresponse().status != 200)"
)
_WHEEL: Final = re.compile(r"^COPY (\S+\.whl) /tmp/", re.MULTILINE)
_OCI_LABEL: Final = re.compile(rf"{re.escape(OCI_PREFIX)}[a-z]+(?:\.[a-z]+)*")
_MAX_LABEL: Final = 500  # characters


class Base(NamedTuple):
    """What the container is built on: an image that has beepy, or Python and what pip installs.

    ``requirement`` is a wheel beside the Containerfile, or ``beepy-ebpf==VERSION``; "": the image
    has beepy.
    """

    image: str = BASE
    requirement: str = ""


class Packaged(NamedTuple):
    """The image in the layout, by its name there."""

    name: str
    digest: str
    annotations: Mapping[str, str]
    needs: Needs


def text(packaged: Packaged, base: Base, arguments: Sequence[str], tag: str) -> str:
    """Return the Containerfile.

    ``arguments`` are for ``beepy run``, ``tag`` is the container image's name in the comments.
    """
    lines = [MARK, "#", *_comments(packaged.needs, tag), "", *_beepy(base)]
    lines.append("FROM beepy" if base.requirement else f"FROM {base.image}")
    health_check = _exec_form(["python3", "-c", _HEALTH_CHECK])
    labels = [f"{label}={_quoted(value)}" for label, value in _labels(packaged, base).items()]
    lines += [
        "LABEL {}".format(" \\\n      ".join(labels)),
        f"COPY image {LAYOUT}",
        f"EXPOSE {METRICS_PORT}",
        f"HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD {health_check}",
        f"ENTRYPOINT {_exec_form([*command(packaged.name), '--storage', LAYOUT, *SERVE])}",
        f"CMD {_exec_form([*packaged.needs.arguments, *arguments])}",
    ]
    return "\n".join(lines) + "\n"


def wheel_of(written: str) -> str:
    """Return the wheel beside a Containerfile that ``text`` returned, "" if it has none."""
    match = _WHEEL.search(written)
    return match[1] if match else ""


def command(*images: str) -> list[str]:
    """Return the command that runs images that are in the container."""
    return ["beepy", "run", *images, "--pull", "never"]


def run_options(needs: Needs) -> list[str]:
    """Return the options of ``podman run`` and ``docker run`` for a container with these needs."""
    capabilities = [item.name.removeprefix("CAP_").lower() for item in needs.capabilities]
    options = ["--read-only", "--tmpfs=/run", "--cap-drop=all"]
    options += [f"--cap-add={name}" for name in capabilities]
    options += ["--network=host"] if needs.host_network else []
    options += ["--pid=host"] if needs.host_pid else []
    for mount in needs.mounts:
        mode = "rw" if mount.writable else "ro"
        options.append(f"--volume={mount.path}:{mount.mount_path}:{mode}")
    return options


def _comments(needs: Needs, tag: str) -> list[str]:
    build = ["podman", "build", "--format=docker", f"--tag={tag}", "."]
    run = ["podman", "run", *run_options(needs), tag]
    reasons = [f"{item.name}: {item.reason}" for item in needs.capabilities]
    return [
        f"#   {shlex.join(build)}",
        f"#   {shlex.join(run)}",
        "#",
        *[f"# {excerpt(reason, 200)}" for reason in reasons],
    ]


def _beepy(base: Base) -> list[str]:
    """Return the stage that has beepy alone; none if the base has it."""
    if not base.requirement:
        return []
    is_file = base.requirement.endswith(".whl")
    copied = f"/tmp/{base.requirement}"  # noqa: S108 - in the container, while it is built
    install = ["pip", "install", "--no-cache-dir", copied if is_file else base.requirement]
    return [
        f"FROM {base.image} AS beepy",
        *([f"COPY {base.requirement} {copied}"] if is_file else []),
        f"RUN {_exec_form(install)}",
        'ENTRYPOINT ["beepy"]',
        "",
    ]


def _labels(packaged: Packaged, base: Base) -> dict[str, str]:
    labels = {
        name: value
        for name, value in sorted(packaged.annotations.items())
        if _OCI_LABEL.fullmatch(name)
    }
    labels.setdefault(TITLE, packaged.name)
    labels[BASE_NAME] = base.image
    labels["beepy.image"] = f"{packaged.name.partition('@')[0]}@{packaged.digest}"
    # podman takes all others away, and names those that it was not told to add
    names = [item.name for item in packaged.needs.capabilities]
    labels["io.containers.capabilities"] = ",".join(names)
    return labels


def _quoted(value: str) -> str:
    """Return a label's value: on one line, without variables to replace."""
    return '"{}"'.format(re.sub(r'(["$\\])', r"\\\1", excerpt(value, _MAX_LABEL)))


def _exec_form(words: Sequence[str]) -> str:
    return json.dumps(list(words))
