"""ELF files: an object -> CollectionSpec, an executable -> where its functions and probes stand. Pure."""
