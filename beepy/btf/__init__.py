"""Bytes <-> types. Pure."""
