"""Check whether a kernel can run an object."""
