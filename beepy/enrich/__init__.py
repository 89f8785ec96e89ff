"""Meaning that needs this machine: who processes are, names of users, cgroups, symbols, devices."""
