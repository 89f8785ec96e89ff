"""System calls, one function each, and the file descriptors that they return."""
