import errno

from beepy.errors import AttachError, KernelError, UsageError, errno_text, restated


def test_an_errno_has_text_and_name() -> None:
    assert errno_text(errno.EPERM) == "operation not permitted (EPERM)"
    assert errno_text(524) == "operation not supported (ENOTSUPP)"
    assert errno_text(4000) == "unknown error 4000 (4000)"


def test_the_error_of_a_failed_call_is_of_the_class_that_is_asked() -> None:
    of_call = AttachError.of(
        "program 'p': link", PermissionError(errno.EACCES, "Permission denied", "/a")
    )
    assert type(of_call) is AttachError
    assert (str(of_call), of_call.errno) == (
        "program 'p': link: permission denied (EACCES)",
        errno.EACCES,
    )
    of_number = KernelError.of("map 'm'", errno.ENOENT)
    assert (str(of_number), of_number.errno) == (
        "map 'm': no such file or directory (ENOENT)",
        errno.ENOENT,
    )


def test_an_error_without_an_errno_has_number_0() -> None:
    assert KernelError.of("x", OSError("nothing")).errno == 0


def test_a_restated_error_keeps_the_notes() -> None:
    first = KernelError("where: why")
    first.add_note("advice")
    first.add_note("more")
    second = UsageError("other words")
    assert restated(second, first) is second
    assert second.__notes__ == ["advice", "more"]
    assert not hasattr(restated(UsageError("x"), KernelError("y")), "__notes__")


def test_a_wrapped_error_keeps_errno_and_notes() -> None:
    first = KernelError("cgroup '/a': permission denied (EACCES)", errno.EACCES)
    first.add_note("advice")
    wrapped = AttachError.wrap(first, "program 'p'")
    assert type(wrapped) is AttachError
    assert str(wrapped) == "program 'p': cgroup '/a': permission denied (EACCES)"
    assert (wrapped.errno, wrapped.__notes__) == (errno.EACCES, ["advice"])
    assert str(AttachError.wrap(first)) == str(first)
