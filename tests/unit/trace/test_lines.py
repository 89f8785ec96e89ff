from beepy.trace.lines import UNKNOWN, Owner, TraceLine, TracePipe

SAY, OTHER = Owner("image", "say"), Owner("image", "other")
OWNERS = {0xFFFFFFFFC00220E0: SAY, 0xFFFFFFFFC0030000: OTHER}
IN_SAY = b" => bpf_prog_12acc993f57b91f9_say+0x25/0x2d <ffffffffc0022105>\n"
IN_OTHER = b" => bpf_prog_0000000000000000_other+0x10/0x2d [bpf] <ffffffffc0030010>\n"
ELSEWHERE = b" => bpf_prog_12acc993f57b91f9_say+0x25/0x2d <ffffffffc0090025>\n"
KERNEL = b" => trace_call_bpf+0x13e/0x320 <ffffffff814bca8e>\n => 0xffffffff81000000\n"


def event(text: bytes, cpu: int = 1, name: bytes = b"bash", pid: int = 7) -> bytes:
    return b"%16s-%d   [%03d] ...21 14887.670575: " % (name, pid, cpu) + text + b"\n"


def printed(text: bytes, cpu: int = 1) -> bytes:
    return event(b"bpf_trace_printk: " + text, cpu)


def stack(frames: bytes, cpu: int = 1) -> bytes:
    return event(b"<stack trace>", cpu) + frames + KERNEL


def lines(*data: bytes, pipe: TracePipe | None = None) -> list[TraceLine]:
    pipe = pipe or TracePipe(OWNERS)
    found = [line for piece in data for line in pipe.add(piece)]
    return [*found, *pipe.drained(), *pipe.end()]


def told(owner: Owner, *texts: str, process: str = "bash-7") -> list[TraceLine]:
    return [TraceLine(*owner, process, text) for text in texts]


def test_the_stack_names_the_program() -> None:
    data = printed(b"hello") + stack(KERNEL + IN_SAY)
    assert lines(data) == told(SAY, "hello")
    assert lines(*[data[at : at + 1] for at in range(len(data))]) == told(SAY, "hello")


def test_of_nested_programs_the_inner_one_printed() -> None:
    assert lines(printed(b"a") + stack(IN_OTHER + IN_SAY)) == told(OTHER, "a")


def test_what_others_print_is_left_out() -> None:
    assert lines(printed(b"a") + stack(ELSEWHERE), printed(b"b") + stack(IN_SAY)) == told(SAY, "b")


def test_a_stack_without_programs_names_none() -> None:
    assert lines(printed(b"a") + stack(b"")) == told(UNKNOWN, "a")
    hidden = TracePipe({})
    assert lines(printed(b"a") + stack(ELSEWHERE), pipe=hidden) == told(UNKNOWN, "a")


def test_lines_of_other_cpus_stand_between() -> None:
    data = printed(b"a", 0) + printed(b"b", 1) + stack(IN_OTHER, 1) + stack(IN_SAY, 0)
    assert lines(data) == [*told(OTHER, "b"), *told(SAY, "a")]


def test_an_event_whose_stack_is_lost_has_no_program() -> None:
    data = printed(b"a") + printed(b"b") + stack(IN_SAY) + printed(b"c")
    assert lines(data) == [*told(UNKNOWN, "a"), *told(SAY, "b"), *told(UNKNOWN, "c")]


def test_a_message_of_several_lines() -> None:
    data = printed(b"one\n\nthree\n") + stack(IN_SAY)
    assert lines(data) == told(SAY, "one", "", "three")


def test_without_stacks_every_event_is_complete() -> None:
    pipe = TracePipe({}, stacks=False)
    found = [*pipe.add(event(b"0: an old kernel's") + printed(b"b\nc")), *pipe.drained()]
    assert found == told(UNKNOWN, "an old kernel's", "b", "c")


def test_names_of_processes() -> None:
    data = event(b"bpf_trace_printk: a", name=b"a b-1 [2]", pid=31) + stack(IN_SAY)
    assert lines(data) == told(SAY, "a", process="a b-1 [2]-31")
    data = event(b"bpf_trace_printk: \xff\\xff", name=b"<...>") + stack(IN_SAY)
    assert lines(data) == told(SAY, r"\xff\x5cxff", process="<...>-7")


def test_losses_are_counted() -> None:
    pipe = TracePipe(OWNERS)
    lost = b"CPU:0 [LOST 12 EVENTS]\nCPU:1 [LOST EVENTS]\n"
    assert lines(printed(b"a") + lost + stack(IN_SAY), pipe=pipe) == told(SAY, "a")
    assert pipe.lost == 13


def test_other_text_is_ignored() -> None:
    assert lines(b"what\n => x\n\n" + stack(IN_SAY)) == []


def test_a_message_is_bounded() -> None:
    data = printed(b"a" * 70_000) + b"b\n" * 10 + stack(IN_SAY)
    (line,) = lines(data)
    assert len(line.text) == 70_000
