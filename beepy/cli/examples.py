"""The examples at the end of each command's ``--help``; key "" is for beepy itself."""

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "": (
        "beepy run exitsnoop",
        "beepy run ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14",
        "beepy help run",
    ),
    "run": (
        "beepy run exitsnoop -f 'print_exits,comm,^bash$'",
        "beepy run tcplife opensnoop -o json --timeout 10s",
        "beepy run opensnoop --comm nginx --uid www-data",
        "beepy run opensnoop --where 'ret == ENOENT and fname ~ \"^/etc\"'",
        "beepy run opensnoop --fields comm,fname,ret -o csv",
        "beepy run xdpcount --iface eth0 --sort counter_bytes:-value --limit 10",
        "beepy run opensnoop --top 10 --by comm,fname --every 5s",
        "beepy run ./probe.o --type 'events=struct event'",
        "beepy run exitsnoop-counter -o none --labels exits=comm,exit_code",
        "beepy run exitsnoop-counter -o none --prom-port 9091",
        "beepy run exitsnoop --timeout 1m --fail-on-loss > exits.json",
        "beepy run opensnoop --max-overhead 2%",
        "beepy run ./probe.o --trace",
    ),
    "replay": (
        "beepy replay opens.rec -o columns --where 'ret == ENOENT'",
        "beepy replay opens.rec --speed 10x --prom-port 9091",
    ),
    "list": ("beepy list", "beepy list -o wide", "beepy list -o json"),
    "ps": ("beepy ps", "beepy ps -o wide", "beepy ps -o json --interval 5s"),
    "describe": (
        "beepy describe exitsnoop",
        "beepy describe opensnoop --check",
        "beepy describe ./probe.o -o json",
    ),
    "mcp": ("beepy mcp", "beepy mcp --allow xdpcount --recordings /var/lib/beepy"),
    "pull": (
        "beepy pull ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14",
        "beepy pull localhost:5000/tools/exitsnoop:1 --ca-file ca.pem",
    ),
    "push": (
        "beepy push ghcr.io/me/exitsnoop:1",
        "beepy push exitsnoop localhost:5000/tools/exitsnoop:1",
        "beepy push ./exitsnoop.tar localhost:5000/tools/exitsnoop:1",
    ),
    "inspect": (
        "beepy inspect ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14",
        "beepy inspect exitsnoop -o json",
        "beepy inspect localhost:5000/tools/exitsnoop:1 --pull always -o raw",
    ),
    "login": (
        "beepy login ghcr.io",
        "beepy login localhost:5000 -u me --password-stdin < password",
    ),
    "logout": ("beepy logout ghcr.io",),
    "completion": (
        "beepy completion fish > ~/.config/fish/completions/beepy.fish",
        "source <(beepy completion bash)",
    ),
    "package": (
        "beepy package exitsnoop",
        "beepy package ghcr.io/me/exitsnoop:1 ghcr.io/me/exitsnoop-beepy:1 --build",
        "beepy package ./probe.o -o probe --beepy-image ghcr.io/me/beepy:0.1.0",
    ),
    "build": (
        "beepy build probe.c",
        "beepy build probe.c ghcr.io/me/probe:1 --description 'my first probe'",
        "beepy build probe.c probe:1 --arch amd64,arm64",
    ),
    "init": ("beepy init", "beepy init --program-type Network -m HashMap -o counter -f probe.c"),
    "tag": (
        "beepy tag exitsnoop localhost:5000/tools/exitsnoop:1",
        "beepy tag ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14 exits:1",
    ),
    "rm": ("beepy rm exits:1", "beepy rm sha256:b4486f0bf77e"),
    "prune": ("beepy prune", "beepy prune --dry-run -o json"),
    "save": (
        "beepy save exitsnoop -o exitsnoop.tar",
        "beepy save exitsnoop opensnoop | ssh host beepy load",
    ),
    "load": (
        "beepy load exitsnoop.tar",
        "beepy load -i x.tar --name localhost:5000/tools/x:1",
        "beepy load < exitsnoop.tar",
    ),
    "verify": (
        "beepy verify ghcr.io/acme/tcplife:1 --key cosign.pub",
        "beepy verify ghcr.io/acme/tcplife:1 --policy policy.toml -o json",
    ),
    "version": ("beepy version", "beepy --version"),
}
