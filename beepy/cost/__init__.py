"""What the programs of a run cost, measured while it runs, and a bound on it."""
