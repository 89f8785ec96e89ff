"""Recordings of runs: raw records with all that is needed to show them, anywhere."""
