import json
import shlex
from collections.abc import Mapping

import pytest

from beepy.analysis.requirements import Capability
from beepy.manifest import containerfile
from beepy.manifest.containerfile import Base, Packaged
from beepy.manifest.needs import Mount, Needs

DIGEST = "sha256:" + 64 * "a"
NEEDS = Needs(
    capabilities=(Capability("CAP_BPF", "load"), Capability("CAP_NET_ADMIN", "xdp programs")),
    mounts=(
        Mount("tracefs", "/sys/kernel/tracing", "/sys/kernel/tracing", "Directory"),
        Mount("bpffs", "/sys/fs/bpf", "/sys/fs/bpf", "Directory", writable=True),
    ),
    arguments=("--cgroup", "/host/cgroup"),
    host_network=True,
    host_pid=False,
    metrics=True,
    advice=(),
)
WHEEL = "beepy_ebpf-0.1.0-py3-none-any.whl"
TITLE = "org.opencontainers.image.title"
DESCRIPTION = "org.opencontainers.image.description"


def text_of(
    annotations: Mapping[str, str] | None = None,
    base: Base | None = None,
    arguments: tuple[str, ...] = (),
) -> str:
    packaged = Packaged("a.b/c:1", DIGEST, annotations or {}, NEEDS)
    return containerfile.text(packaged, base or Base(requirement=WHEEL), arguments, "tag:1")


def instructions(text: str) -> list[tuple[str, str]]:
    """Read the instructions as builders do: comments, and lines that a backslash continues."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in joined]


def labels(text: str) -> dict[str, str]:
    (line,) = [rest for name, rest in instructions(text) if name == "LABEL"]
    return dict(pair.split("=", 1) for pair in shlex.split(line))


def test_instructions() -> None:
    given = instructions(text_of(arguments=("--iface", "eth0")))
    assert [name for name, _ in given] == [
        *("FROM", "COPY", "RUN", "ENTRYPOINT"),
        *("FROM", "LABEL", "COPY", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
    ]
    rest = [text for _, text in given]
    assert rest[:4] == [
        "docker.io/library/python:3.13-slim-trixie AS beepy",
        f"{WHEEL} /tmp/{WHEEL}",
        f'["pip", "install", "--no-cache-dir", "/tmp/{WHEEL}"]',
        '["beepy"]',
    ]
    assert (rest[4], rest[6], rest[7]) == ("beepy", "image /image", "9091")
    assert json.loads(rest[-2]) == [
        *("beepy", "run", "a.b/c:1", "--pull", "never", "--storage", "/image"),
        *("--prom-host", "0.0.0.0", "--prom-port", "9091"),
    ]
    assert json.loads(rest[-1]) == ["--cgroup", "/host/cgroup", "--iface", "eth0"]


def test_no_instruction_needs_a_shell() -> None:
    for name, rest in instructions(text_of()):
        if name in {"RUN", "ENTRYPOINT", "CMD"}:
            assert isinstance(json.loads(rest), list)
        if name == "HEALTHCHECK":
            words = json.loads(rest.partition(" CMD ")[2])
            assert words[:2] == ["python3", "-c"]
            compile(words[2], "health check", "exec")


def test_a_version_of_an_index_needs_no_file() -> None:
    given = instructions(text_of(base=Base(requirement="beepy-ebpf==0.1.0")))
    assert given[1] == ("RUN", '["pip", "install", "--no-cache-dir", "beepy-ebpf==0.1.0"]')


def test_an_image_with_beepy_has_no_stage_of_ours() -> None:
    given = instructions(text_of(base=Base("ghcr.io/me/beepy:1")))
    assert given[0] == ("FROM", "ghcr.io/me/beepy:1")
    assert [name for name, _ in given].count("FROM") == 1
    assert "RUN" not in [name for name, _ in given]


def test_the_same_arguments_give_the_same_bytes() -> None:
    first = text_of({TITLE: "x", DESCRIPTION: "y"})
    assert first == text_of({DESCRIPTION: "y", TITLE: "x"})
    assert first.endswith("\n")
    assert first.splitlines()[0] == containerfile.MARK


def test_labels() -> None:
    assert labels(text_of({DESCRIPTION: "says it", "other.key": "is not taken"})) == {
        DESCRIPTION: "says it",
        TITLE: "a.b/c:1",
        "org.opencontainers.image.base.name": "docker.io/library/python:3.13-slim-trixie",
        "beepy.image": f"a.b/c:1@{DIGEST}",
        "io.containers.capabilities": "CAP_BPF,CAP_NET_ADMIN",
    }


@pytest.mark.parametrize(
    "value",
    [
        'a "quoted" text',
        "$HOME ${PATH}",
        "back\\slash\\",
        'x"\nRUN ["touch", "/tmp/x"]\n#',
        "x \\\nRUN y",
        "\x1b[31m",
        "x" * 10_000,
        "",
    ],
)
def test_annotations_add_no_instruction(value: str) -> None:
    plain = instructions(text_of({DESCRIPTION: "x"}))
    text = text_of({DESCRIPTION: value})
    assert [name for name, _ in instructions(text)] == [name for name, _ in plain]
    assert text.replace("\n", "").isprintable()
    shown = labels(text)[DESCRIPTION]
    # what a builder replaces is escaped: shlex keeps the backslash before a dollar
    if value.isprintable() and len(value) < 500:
        assert shown.replace("\\$", "$") == value
    assert "$" not in text.replace("\\$", "").partition("LABEL")[2].partition("\nCOPY")[0]


@pytest.mark.parametrize(
    "key", [f"{TITLE}\nRUN x", f"{TITLE} x", f"{TITLE}=x", "org.x", TITLE[:-5]]
)
def test_names_of_annotations_add_no_instruction(key: str) -> None:
    assert text_of({key: "x"}) == text_of()


def test_the_comments_say_how_it_is_run() -> None:
    comments = [line for line in text_of().splitlines() if line.startswith("#")]
    run = next(line for line in comments if "podman run" in line)
    assert shlex.split(run.removeprefix("#")) == [
        *("podman", "run", "--read-only", "--tmpfs=/run", "--cap-drop=all", "--cap-add=bpf"),
        *("--cap-add=net_admin", "--network=host"),
        "--volume=/sys/kernel/tracing:/sys/kernel/tracing:ro",
        *("--volume=/sys/fs/bpf:/sys/fs/bpf:rw", "tag:1"),
    ]
    assert comments[-2:] == ["# CAP_BPF: load", "# CAP_NET_ADMIN: xdp programs"]
