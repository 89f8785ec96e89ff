"""Meaning that needs this machine: names of users, symbols, stacks."""
