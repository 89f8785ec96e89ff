"""ELF -> CollectionSpec. Pure."""
