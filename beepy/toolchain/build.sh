#!/bin/sh
# Compile a BPF program: $1 is its C source, $2 the object to write.
#
# beepy sets C_INCLUDE_PATH (where vmlinux.h and solo_types.h are) and these:
#   CLANG, LLVM_STRIP  the programs
#   TARGET_ARCH        the architecture, as libbpf's headers call it: x86, arm64
#   CFLAGS             what --cflags gave
set -euf

here=$(pwd)
directory=$(dirname -- "$1")
source=$(basename -- "$1")
case $source in -*) source=./$source ;; esac
case $2 in /*) object=$2 ;; *) object=$here/$2 ;; esac

# The object is the same wherever the source is: the compiler runs in the source's directory, from
# where BTF names files and quotes their lines. Paths in CFLAGS start from the working directory,
# and are named as they are given.
set --
option=
for flag in ${CFLAGS:-}; do
	before=$option
	option=
	prefix=
	if [ -z "$before" ]; then
		case $flag in
		-I | -isystem | -iquote | -idirafter | -include | -include-pch) option=$flag ;;
		-include-pch*) ;;
		-I*) prefix=-I ;;
		-isystem*) prefix=-isystem ;;
		-iquote*) prefix=-iquote ;;
		-idirafter*) prefix=-idirafter ;;
		-include*) prefix=-include ;;
		esac
	fi
	path=${flag#"$prefix"}
	case $before$prefix,$path in
	,* | *,/*) set -- "$@" "$flag" ;;
	*) set -- "$@" "$prefix$here/$path" "-ffile-prefix-map=$here/$path=$path" ;;
	esac
done
cd -- "$directory"

# bee's compiler took calls of undeclared functions, such as memcpy, with a warning.
"${CLANG:-clang}" -g -gdwarf-5 -gembed-source -O2 \
	-target bpf "-D__TARGET_ARCH_${TARGET_ARCH:-x86}" -fdebug-compilation-dir . \
	-Wall -Wno-error=implicit-function-declaration \
	"$@" -c "$source" -o "$object"

# Remove DWARF; BTF stays.
"${LLVM_STRIP:-llvm-strip}" -g "$object"
