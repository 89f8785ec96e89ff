"""What is known of an object without a kernel."""
