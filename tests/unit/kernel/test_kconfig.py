from beepy.kernel.kconfig import parse


def test_options_with_their_values_as_written() -> None:
    text = '#\n# Linux\n#\nCONFIG_BPF=y\n# CONFIG_NFS is not set\nCONFIG_HZ=250\nCONFIG_LSM="lockdown,bpf"\nOTHER=1\n'
    assert parse(text) == {"CONFIG_BPF": "y", "CONFIG_HZ": "250", "CONFIG_LSM": '"lockdown,bpf"'}
