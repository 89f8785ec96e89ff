"""C source -> image: compile with the local clang, write the image. Runs no BPF."""
