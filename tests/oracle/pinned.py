"""Print what the kernel knows of the maps pinned in a directory, as JSON; run as a script."""

import json
import sys
from pathlib import Path

from beepy.kernel import bpffs
from beepy.kernel import map as kernel_map
from beepy.kernel.map import Map

FIELDS = ("type", "key_size", "value_size", "max_entries", "map_flags", "map_extra")


def known(one: Map) -> dict[str, int]:
    """Return what two loaders must agree on."""
    info = one.info()
    typed = {
        name: int(bool(getattr(info, name))) for name in ("btf_key_type_id", "btf_value_type_id")
    }
    return {name: int(getattr(info, name)) for name in FIELDS} | typed


def main() -> None:
    """Look at the folder that the command line names."""
    found = {}
    for path in sorted(Path(sys.argv[1]).iterdir()):
        fd = bpffs.get(str(path), "map", path.name)
        assert fd
        with kernel_map.from_fd(fd, path.name) as one:
            found[path.name] = known(one)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
