"""Whether a kernel can run an object: what a plan for it finds, and what the running kernel says when it loads it."""
