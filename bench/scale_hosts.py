"""Hosts that are not there: a network namespace for each worker, joined by a bridge, with links as slow as one likes.

Each has a name of its own, too. Linux, root, and PROGRAMS are needed. mpiexec runs in the namespace of the bridge; all
workers reach it there, and each goes into its own namespace before Python starts. They reach one another by TCP alone.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence

PROGRAMS = ("ip", "tc", "unshare", "hostname")
NETWORK = "10.77.0"
PACKET = 1448 / 1514  # of the bytes that tc counts those that TCP delivers
RATES = {"1gbit": 1e9, "100mbit": 1e8}  # bits a second, by tc's names
SHORT, TICK = 2**15, 0.001  # bytes, and seconds, that may pass at once: the kernel's clock must come in time
MPI = ("--mca", "pml", "ob1", "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "eth0")
MANAGER = {"PMIX_MCA_ptl_base_if_include": "br0", "PMIX_MCA_ptl_base_remote_connections": "1"}  # reached from outside


class NoHosts(Exception):
    """Namespaces cannot be made here; it says why."""


class Hosts:
    """So many, for the length of a block."""

    def __init__(self, count: int) -> None:
        if missing := [program for program in PROGRAMS if not shutil.which(program)]:
            raise NoHosts(f"there is no {' and no '.join(missing)}: install iproute2, util-linux and hostname")
        self.names = [f"scale-{os.getpid()}-{number}" for number in range(count)]
        self.switch = f"scale-{os.getpid()}-switch"
        self._made: list[str] = []

    def __enter__(self) -> "Hosts":
        try:
            self._add(self.switch)
            self._ip(self.switch, "link", "add", "br0", "type", "bridge")
            self._ip(self.switch, "addr", "add", f"{NETWORK}.254/24", "dev", "br0")
            self._ip(self.switch, "link", "set", "br0", "up")
            for number, name in enumerate(self.names):
                self._add(name)
                port = f"port{number}"
                peer = ("type", "veth", "peer", "name", port, "netns", self.switch)
                self._ip(name, "link", "add", "eth0", *peer)
                self._ip(self.switch, "link", "set", port, "master", "br0", "up")
                self._ip(name, "addr", "add", f"{NETWORK}.{number + 1}/24", "dev", "eth0")
                self._ip(name, "link", "set", "eth0", "up")
        except NoHosts:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        while self._made:
            subprocess.run(["ip", "netns", "del", self._made.pop()], check=False)

    def limit(self, rate: str | None) -> None:
        """From now on each host sends and gets at most `rate`, one of RATES; None: as much as the processors can."""
        for namespace, device in self._devices():
            where = ("tc", "-n", namespace, "qdisc")
            if rate is None:
                subprocess.run([*where, "del", "dev", device, "root"], capture_output=True, check=False)
            else:
                # a queue as that of a switch: with a longer one, MPI's small messages would wait behind large ones
                burst = str(max(SHORT, round(RATES[rate] / 8 * TICK)))
                run(*where, "replace", "dev", device, "root", "tbf", "rate", rate, "burst", burst, "limit", "4m")

    def command(self, mpi: Sequence[str]) -> list[str]:
        """What stands before a program that each worker is to run in its own namespace, behind mpiexec's `mpi`."""
        name = f"scale-{os.getpid()}-$OMPI_COMM_WORLD_RANK"
        enter = f'exec ip netns exec {name} unshare --uts sh -c \'hostname "$0" && exec "$@"\' {name} "$@"'
        return ["ip", "netns", "exec", self.switch, *mpi, *MPI, "sh", "-c", enter, "sh"]

    def _devices(self) -> list[tuple[str, str]]:
        ports = [(self.switch, f"port{number}") for number in range(len(self.names))]
        return [(name, "eth0") for name in self.names] + ports

    def _add(self, name: str) -> None:
        run("ip", "netns", "add", name)
        self._made.append(name)
        self._ip(name, "link", "set", "lo", "up")

    def _ip(self, name: str, *words: str) -> None:
        run("ip", "-n", name, *words)


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoHosts(f"`{' '.join(words)}` says: {done.stderr.strip()}")
