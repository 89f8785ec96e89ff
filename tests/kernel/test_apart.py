"""Where tests cannot have mounts of their own they are skipped, with the reason."""

import subprocess
import sys
from pathlib import Path

from tests.support import apart

ROOT = Path(__file__).parents[2]

# the same files, but / is a directory that nothing is mounted on
CHROOT = """
for path in /*; do
    name=$1$path
    if [ -L "$path" ]; then cp -P "$path" "$name"
    elif [ -d "$path" ]; then mkdir "$name"; mount --rbind "$path" "$name"; fi
done
root=$1; shift
exec chroot "$root" "$@"
"""


def test_in_a_chroot_the_reason_is_named(tmp_path: Path) -> None:
    ask = (
        f"import os; os.chdir({str(ROOT)!r}); "
        "from tests.support import apart; print(apart.missing())"
    )
    command = [*apart.command(), "sh", "-c", CHROOT, "sh", str(tmp_path), sys.executable, "-c", ask]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True
    )
    assert done.stdout == "no mounts of a test's own: / is no mount point, as in a chroot\n", (
        done.stderr
    )
    assert not apart.missing()
