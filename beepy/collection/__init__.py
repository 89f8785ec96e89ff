"""CollectionSpec -> running programs: load, attach, close."""
