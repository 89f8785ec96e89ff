"""Full screens on a terminal, drawn by textual: a run or a recording, and the catalogue of images.

A run goes on in a thread of its own; the main one has the terminal. Between them stands the
``model``, a sink that keeps raw rows. Only what is visible is decoded, five times a second at most.
"""
