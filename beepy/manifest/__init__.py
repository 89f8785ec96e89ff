"""Write what starts beepy elsewhere: a Containerfile, a Kubernetes pod."""
