"""Adaptive threads: the governor over a /proc/stat that the test writes, and what a machine's files say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelhub.kernels.system import groups
from modelhub.kernels.worker.threads import PERIOD, QUIET, ThreadGovernor, usable_cores

TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """Cores whose work is written down in a file like /proc/stat; time passes when the test says so."""

    def __init__(self, folder: Path, cores: int = 4) -> None:
        self.stat, self.cores = folder / "stat", cores
        self.now = self.own = 0.0
        self.busy = [0.0] * cores
        self.set: list[int] = []
        self.reads = 0
        self.write()

    def write(self) -> None:
        lines = ["cpu  1 2 3 4 5 6 7 8 9 10"]
        for number, busy in enumerate(self.busy):
            user, steal = round(busy * TICKS), 0
            if number == 0:
                user, steal = steal, user  # what another machine takes is taken too
            lines.append(f"cpu{number} {user} 0 0 {int(self.now * TICKS)} 999 0 0 {steal} 7 0")
        self.stat.write_text("\n".join([*lines, "intr 5 5 5", "ctxt 1"]) + "\n")

    def passes(self, governor: ThreadGovernor, seconds: float, neighbours: float, own: float = 0.0) -> None:
        """`seconds` during which others keep `neighbours` cores busy and this process `own`; 16 ticks a second."""
        for _ in range(round(seconds * 16)):
            self.now += 1 / 16
            self.own += own / 16
            for number in range(self.cores):
                self.busy[number] += (neighbours + own) / 16 / self.cores
            self.write()
            governor.tick()

    def governor(self, most: int | None = None, fixed: bool = False) -> ThreadGovernor:
        return ThreadGovernor(
            self.set.append, most or self.cores, fixed=fixed, cpus=range(self.cores), stat=self.stat,
            clock=lambda: self.now, own=lambda: self.own,
        )  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_neighbour_takes_a_thread_at_once(machine: Machine) -> None:
    """One look after a neighbour began its core is left to it; its own work is nobody's neighbour."""
    governor = machine.governor()
    machine.passes(governor, 2, neighbours=0, own=4)
    assert machine.set == [] and governor.threads == 4
    machine.passes(governor, PERIOD, neighbours=1, own=3)
    assert machine.set == [3]
    machine.passes(governor, PERIOD, neighbours=3, own=1)
    assert machine.set == [3, 1]


def test_a_thread_comes_back_when_it_has_been_quiet(machine: Machine) -> None:
    """After a second of quiet, not before; a pause of half a second changes nothing."""
    governor = machine.governor()
    machine.passes(governor, 1, neighbours=2)
    assert governor.threads == 2
    for _ in range(3):
        machine.passes(governor, 0.5, neighbours=0)
        machine.passes(governor, 0.5, neighbours=2)
    machine.passes(governor, QUIET - 2 * PERIOD, neighbours=0)
    assert machine.set == [2]
    machine.passes(governor, 2 * PERIOD, neighbours=0)
    assert machine.set == [2, 4]


def test_it_rises_to_what_was_free_all_the_time(machine: Machine) -> None:
    """Of what is free in the quiet second, the least is taken."""
    governor = machine.governor()
    machine.passes(governor, 1, neighbours=3)
    machine.passes(governor, 0.5, neighbours=1)
    machine.passes(governor, 0.5, neighbours=0)
    assert machine.set == [1, 3]


def test_a_little_noise_costs_no_thread(machine: Machine) -> None:
    """A kernel that displays takes a tenth of a core: all threads stay; half a core is a neighbour."""
    governor = machine.governor()
    machine.passes(governor, 3, neighbours=0.1, own=3.9)
    assert machine.set == []
    machine.passes(governor, 3, neighbours=0.6, own=3.4)
    assert machine.set == [3]


def test_never_fewer_than_one_nor_more_than_allowed(machine: Machine) -> None:
    """With every core busy one thread runs; on an empty machine no more than the most."""
    governor = machine.governor(most=2)
    machine.passes(governor, 3, neighbours=2)
    assert machine.set == []  # four cores, two of them free: enough for two
    machine.passes(governor, 3, neighbours=4)
    assert machine.set == [1]
    machine.passes(governor, 9, neighbours=0)
    assert machine.set == [1, 2]


@pytest.mark.parametrize("neighbours", [0, 2, 4])
def test_after_a_long_pause_it_begins_anew(machine: Machine, neighbours: float) -> None:
    """Who was busy while nothing was asked says nothing of now: all threads again, until the next look."""
    governor = machine.governor()
    machine.passes(governor, 1, neighbours=2)
    machine.now += 60
    for number in range(machine.cores):
        machine.busy[number] += 60 * neighbours / machine.cores
    machine.write()
    governor.tick()
    assert machine.set == [2, 4]
    machine.passes(governor, PERIOD, neighbours=2)
    assert machine.set == [2, 4, 2]


@pytest.mark.parametrize("case", ["fixed", "one", "no file", "not these cores"])
def test_where_it_may_not_or_cannot_look(machine: Machine, case: str) -> None:
    """A number that was asked for, one thread, and a system without /proc/stat: the number stays."""
    if case == "no file":
        machine.stat = machine.stat.with_name("absent") / "stat"
        machine.write = lambda: None  # type: ignore[method-assign]  # there is no such file on this machine
    governor = machine.governor(most=1 if case == "one" else 4, fixed=case == "fixed")
    if case == "not these cores":
        governor = ThreadGovernor(machine.set.append, 4, cpus=[70], stat=machine.stat, clock=lambda: machine.now)
    machine.passes(governor, 3, neighbours=4)
    assert machine.set == []


def test_a_file_that_goes_away_is_the_end_of_looking(machine: Machine) -> None:
    """When the system stops saying, the number stays and nothing is raised."""
    governor = machine.governor()
    machine.passes(governor, 1, neighbours=1)
    machine.stat.unlink()
    machine.now += 10
    governor.tick()
    machine.passes(governor, 2, neighbours=0)
    assert machine.set == [3]


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def siblings(root: Path, pairs: dict[int, str]) -> None:
    for cpu, text in pairs.items():
        write(root, **{f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": text})


def test_threads_of_one_core_count_once(tmp_path: Path) -> None:
    """Eight CPUs that are four cores are four; of those a process is pinned to, only its own; unknown ones count."""
    siblings(tmp_path, {cpu: f"{cpu % 4},{cpu % 4 + 4}" for cpu in range(8)})
    assert usable_cores(range(8), tmp_path) == 4
    assert usable_cores([0, 4, 1], tmp_path) == 2
    assert usable_cores([0, 1, 20, 21], tmp_path) == 4
    assert usable_cores([], tmp_path) == 1


@pytest.mark.parametrize(
    ("group", "files", "cores"),
    [
        ("0::/", {"sys/fs/cgroup/cpu.max": "250000 100000"}, 2),
        ("0::/", {"sys/fs/cgroup/cpu.max": "max 100000"}, 8),
        ("0::/", {"sys/fs/cgroup/cpu.max": "50000 100000"}, 1),
        ("0::/a/b", {"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, 3),
        ("0::/the/hosts/name", {"sys/fs/cgroup/cpu.max": "300000 100000"}, 3),
        ("5:cpu,cpuacct:/x", {"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "400000",
                              "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000"}, 4),
        ("5:cpu:/", {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 8),
        ("0::/", {"sys/fs/cgroup/cpu.max": "nonsense"}, 8),
        ("", {}, 8),
    ],
)  # fmt: skip
def test_a_containers_quota_is_kept(tmp_path: Path, group: str, files: dict[str, str], cores: int) -> None:
    """The time a control group allows, of either version and at any level, limits the threads."""
    siblings(tmp_path, {cpu: str(cpu) for cpu in range(8)})
    write(tmp_path, **{"proc/self/cgroup": group}, **files)
    assert usable_cores(range(8), tmp_path) == cores


def test_this_machine_says_something(tmp_path: Path) -> None:
    """On the machine the tests run on there is at least one core, and no more than it has."""
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert groups("cpu", tmp_path) == []
