"""Reference -> Image: registries, stores and image formats. Knows no BPF."""
