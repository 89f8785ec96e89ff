"""Passes that change programs before they are loaded, each a function of a spec."""
