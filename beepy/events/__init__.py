"""Raw bytes -> values. Pure."""
