"""Run eBPF programs that are packaged as OCI images."""

__version__ = "0.1.0"
