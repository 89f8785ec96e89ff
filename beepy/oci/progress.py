"""The progress of a transfer between a registry and a store."""

from collections.abc import Callable, Iterable, Iterator

from beepy.oci.descriptor import Descriptor

Progress = Callable[[Descriptor, int], None]
"""Called with a blob and the number of its bytes that have been transferred so far, 0 first.

The number falls back to 0 if the transfer begins again.
"""


def reported(
    chunks: Iterable[bytes], descriptor: Descriptor, progress: Progress | None
) -> Iterator[bytes]:
    """Yield a blob's chunks; report each when the next one is requested."""
    done = 0
    for chunk in chunks:
        if progress:
            progress(descriptor, done)
        yield chunk
        done += len(chunk)
    if progress:
        progress(descriptor, done)
