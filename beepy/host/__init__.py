"""Facts about the machine that runs: read from its files, nothing is loaded."""
