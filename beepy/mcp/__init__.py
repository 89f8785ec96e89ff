"""Tools for agents, by the Model Context Protocol: list, describe, run and replay on stdio."""
