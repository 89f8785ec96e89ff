"""Facts about an object that need no kernel."""
