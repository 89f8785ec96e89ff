"""Manifests that refer to another one by its digest, such as signatures (OCI distribution-spec)."""

from collections.abc import Iterator
from urllib.parse import quote, urljoin

from beepy.errors import ImageNotFound, RegistryError, UnsupportedImage
from beepy.oci.client import Client
from beepy.oci.descriptor import (
    MAX_MANIFEST,
    Descriptor,
    parse_descriptor,
    parse_object,
    refuse_other_case,
)
from beepy.oci.manifest import OCI_INDEX

_MAX_REFERRERS = 1024
_MAX_PAGES = 16


def of_registry(client: Client, digest: str, artifact_type: str = "") -> tuple[Descriptor, ...]:
    """Return what the repository says refers to ``digest``, of one artifact type if that is given.

    Descriptors without a type are included: only their manifests have it. Nothing of it is
    verified: each manifest must be read, and its subject compared. Raises RegistryError, and
    UnsupportedImage for a list that is malformed or too long.
    """
    try:
        referrers = list(_by_api(client, digest, artifact_type))
    except ImageNotFound:  # a registry without the API: the index has a tag instead
        try:
            referrers = _read(client, client.manifest_url(fallback_tag(digest)))[0]
        except ImageNotFound:
            return ()
    return tuple(
        referrer
        for referrer in referrers
        if not artifact_type or referrer.artifact_type in ("", artifact_type)
    )


def fallback_tag(digest: str) -> str:
    """Return the tag under which a registry without the API has the index of referrers."""
    return digest.replace(":", "-")


def _by_api(client: Client, digest: str, artifact_type: str) -> Iterator[Descriptor]:
    query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
    url = f"{client.referrers_url(digest)}{query}"
    for _ in range(_MAX_PAGES):
        referrers, link = _read(client, url)
        yield from referrers
        if not link:
            return
        url = urljoin(url, link)
        if client.http.origin(url) != client.http.own:
            raise RegistryError(f"{client.where}: referrers: the next page is on another host")
    raise RegistryError(f"{client.where}: referrers: more than {_MAX_PAGES} pages")


def _read(client: Client, url: str) -> tuple[list[Descriptor], str]:
    """Return one index of referrers, and the link to the next one, "" if it is the last."""
    with client.get(url, "referrers", {"Accept": OCI_INDEX}) as response:
        data = client.http.read(response, MAX_MANIFEST, "referrers")
    where = f"{client.where}: referrers"
    index = parse_object(data, where)
    refuse_other_case(index, ("manifests",), where)
    entries = index.get("manifests")
    if not isinstance(entries, list) or len(entries) > _MAX_REFERRERS:
        raise UnsupportedImage(f"{where}: a list of at most {_MAX_REFERRERS} is expected")
    link = response.links.get("next", {}).get("url", "")
    return [parse_descriptor(entry, where) for entry in entries], link
