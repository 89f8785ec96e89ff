"""ELF files: an object -> CollectionSpec, an executable -> its functions' and probes' addresses."""
