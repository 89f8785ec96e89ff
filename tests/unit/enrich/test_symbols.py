from beepy.enrich.symbols import Symbol, Symbols
from beepy.errors import KernelError


class Kernel:
    def __init__(self) -> None:
        self.symbols: list[Symbol] = [
            ("ffff1000", "T", "first"),
            ("ffff2000", "T", "second"),
            ("ffff2000", "T", "alias"),
            ("0", "A", "percpu"),
        ]
        self.modules = 1
        self.reads = 0

    def read(self) -> list[Symbol]:
        self.reads += 1
        return self.symbols

    def decoder(self) -> Symbols:
        return Symbols(self.read, lambda: self.modules)


def test_symbols_are_found() -> None:
    symbols = Kernel().decoder()
    assert symbols.exact(0xFFFF1000) == "first"
    assert symbols.exact(0xFFFF1001) == ""
    assert symbols.exact(0xFFFF2000) == "alias"  # the last of several
    assert symbols.containing(0xFFFF1FFF) == "first"
    assert symbols.containing(0xFFFFFFFF) == "alias"
    assert symbols.containing(0xFFF) == ""  # percpu symbols are at 0
    assert symbols.function(0xFFFF1FFF) == "first"
    assert symbols.function(0xFFF) == "0xfff"


def test_they_are_read_again_where_a_module_was_loaded() -> None:
    kernel = Kernel()
    symbols = kernel.decoder()
    assert symbols.exact(0xFFFF3000) == ""
    assert symbols.exact(0xFFFF3001) == ""
    assert kernel.reads == 1
    kernel.modules = 2
    kernel.symbols.append(("ffff3000", "t", "in_a_module"))
    assert symbols.exact(0xFFFF4000) == ""
    assert symbols.exact(0xFFFF3000) == "in_a_module"
    assert kernel.reads == 2


def test_unreadable_symbols_are_no_error() -> None:
    def refuse() -> list[Symbol]:
        raise KernelError("/proc/kallsyms: permission denied")

    symbols = Symbols(refuse, lambda: 1)
    assert (symbols.exact(5), symbols.containing(5)) == ("", "")
