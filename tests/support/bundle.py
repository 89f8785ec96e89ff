"""The bundle of a container of busybox alone, for crun."""

import json
import shutil
from pathlib import Path
from typing import Final

CRUN: Final = Path("/usr/bin/crun")
BUSYBOX: Final = "/bin/busybox"


def write(bundle: Path, identity: str, code: str) -> None:
    """Write a container that runs ``code`` in a shell, in a cgroup named as it is."""
    (bundle / "rootfs/bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, bundle / "rootfs/bin")
    mounts = [("/proc", "proc"), ("/dev", "tmpfs")]
    config = {
        "ociVersion": "1.0.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": [BUSYBOX, "sh", "-c", code],
            "cwd": "/",
        },
        "root": {"path": "rootfs"},
        "mounts": [{"destination": at, "type": kind, "source": kind} for at, kind in mounts],
        "linux": {
            "cgroupsPath": f"/{identity}",
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "cgroup")],
        },
    }
    (bundle / "config.json").write_text(json.dumps(config))
