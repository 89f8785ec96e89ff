#!/bin/sh
# Compile a BPF program: $1 is its C source, $2 the object to write.
#
# beepy sets C_INCLUDE_PATH (where vmlinux.h and solo_types.h are) and these:
#   CLANG, LLVM_STRIP  the programs
#   TARGET_ARCH        the architecture, as libbpf's headers call it: x86, arm64
#   CFLAGS             what --cflags gave
set -euf

# The object is the same wherever the source is: paths in it are relative to the source, and its
# lines, which BTF quotes, come from the compiler's memory (-gembed-source), not from these paths.
# bee's compiler took calls of undeclared functions, such as memcpy, with a warning.
"${CLANG:-clang}" -g -gdwarf-5 -gembed-source -O2 \
	-target bpf "-D__TARGET_ARCH_${TARGET_ARCH:-x86}" \
	-Wall -Wno-error=implicit-function-declaration \
	-fdebug-compilation-dir . "-ffile-prefix-map=$(dirname -- "$1")/=" \
	${CFLAGS:-} -c "$1" -o "$2"

# Remove DWARF; BTF stays.
"${LLVM_STRIP:-llvm-strip}" -g "$2"
