"""System calls, one function each, and the descriptors that they give."""
