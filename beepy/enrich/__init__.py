"""Meaning that needs this machine: names of users, cgroups, symbols, stacks and devices."""
