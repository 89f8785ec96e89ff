"""Signatures of images as cosign makes them: by a key, or by an identity (keyless)."""
