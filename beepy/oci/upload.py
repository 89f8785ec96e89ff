"""Uploads to a registry (OCI distribution-spec): blobs that it lacks, and manifests."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from urllib.parse import quote, urlsplit, urlunsplit

import requests

from beepy.errors import BeepyError, ImageError, RegistryError
from beepy.log import Log
from beepy.oci.client import Client
from beepy.oci.descriptor import Descriptor, is_digest
from beepy.oci.session import Body, Request

_log = Log(__name__)

_CREATED = (200, 201, 202, 204)  # 201 by the specification; not all registries keep to it


def has_blob(client: Client, descriptor: Descriptor) -> bool:
    """Tell whether the repository has a blob."""
    url, name = client.blob_url(descriptor.digest), f"blob {descriptor.digest}"
    with client.request(Request("HEAD", url), name, (200, 404)) as response:
        return response.status_code == 200


def send_blob(
    client: Client,
    descriptor: Descriptor,
    read: Callable[[], Iterable[bytes]],
    other_repository: str = "",
) -> None:
    """Upload a blob that the repository lacks, in constant memory.

    ``read`` returns its chunks, from the beginning each time that it is called. No byte is sent if
    the registry can mount the blob from ``other_repository``. An upload that fails is cancelled.
    Raises RegistryError, and what ``read`` raises.
    """
    location = _mount(client, descriptor, other_repository) if other_repository else _start(client)
    if not location:
        _log.info("%s: %s: mounted from %s", client.where, descriptor.digest, other_repository)
        return
    try:
        _send(client, descriptor, read, location)
    except (BeepyError, KeyboardInterrupt):
        _cancel(client, location)
        raise
    _log.info("%s: %s: sent %d bytes", client.where, descriptor.digest, descriptor.size)


def put_manifest(client: Client, descriptor: Descriptor, data: bytes, tag: str = "") -> bool:
    """Upload a manifest or index, byte for byte, under its digest or under ``tag``.

    Return whether the registry has added it to the list of referrers of its subject. Raises
    RegistryError if the registry says that it has another digest.
    """
    url, headers = (
        client.manifest_url(tag or descriptor.digest),
        {"Content-Type": descriptor.media_type},
    )
    request = Request("PUT", url, headers, data)
    with client.request(request, "manifest", _CREATED, len(data)) as response:
        _check_digest(client, response, descriptor)
        return "OCI-Subject" in response.headers


def _start(client: Client, query: str = "") -> str:
    """Begin an upload; return its URL, "" if the registry has mounted the blob instead."""
    with client.request(
        Request("POST", client.uploads_url + query), "upload", (202, 201) if query else (202,)
    ) as response:
        if response.status_code == 201:
            return ""
        if not response.headers.get("Location"):
            raise RegistryError(f"{client.where}: upload: answer has no Location")
        return client.http.location(response, "upload")


def _mount(client: Client, descriptor: Descriptor, repository: str) -> str:
    """Return "" if the registry mounts the blob, else the URL of an upload."""
    query = f"?mount={quote(descriptor.digest)}&from={quote(repository, safe='')}"
    try:
        return _start(client, query)
    except ImageError as error:  # perhaps this user may not read there
        _log.info("%s: %s: not mounted: %s", client.where, descriptor.digest, error)
        return _start(client)


def _send(
    client: Client, descriptor: Descriptor, read: Callable[[], Iterable[bytes]], location: str
) -> None:
    parts = urlsplit(location)
    query = f"{parts.query}&" if parts.query else ""
    url = urlunsplit(parts._replace(query=f"{query}digest={quote(descriptor.digest, safe='')}"))
    headers = {"Content-Type": "application/octet-stream"}
    body = Body(read, descriptor.size) if descriptor.size else b""
    request, name = Request("PUT", url, headers, body), f"blob {descriptor.digest}"
    with client.request(request, name, _CREATED, descriptor.size) as response:
        _check_digest(client, response, descriptor)


def _check_digest(client: Client, response: requests.Response, descriptor: Descriptor) -> None:
    digest = response.headers.get("Docker-Content-Digest", "")
    if is_digest(digest) and digest != descriptor.digest:
        raise RegistryError(
            f"{client.where}: the registry stored {digest}, expected {descriptor.digest}"
        )


def _cancel(client: Client, location: str) -> None:
    """Ask the registry to forget an upload; it may be gone, or not know how."""
    with (
        suppress(BeepyError),
        client.request(Request("DELETE", location), "upload", range(100, 600)),
    ):
        pass
