"""The metrics page: what all worker processes counted, added up, on a loopback port of its own.

prometheus_client's multiprocess mode keeps each process's numbers in mapped files, so a killed
worker's counts stay and nobody has to ask the workers, who may be busy.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest, start_http_server
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

DEAD = 0
"""The process whose files hold what dead processes counted; no process has this number."""

_ADDED_UP = ("counter", "histogram", "summary")


class SummedMetrics(Collector):
    """What every process that wrote into the folder counted, and the memory of those alive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """Every metric, after the dead have been buried."""
        with self._lock:
            collect_dead(self.folder)
            apart = CollectorRegistry()
            MultiProcessCollector(apart, path=str(self.folder))  # type: ignore[no-untyped-call]
            found = list(apart.collect())
        yield from found
        yield self._memory()

    def _memory(self) -> Metric:
        family = GaugeMetricFamily(
            "embudo_process_resident_bytes", "resident memory of each process", labels=["pid"]
        )
        for pid in sorted(_processes(self.folder)):
            if (size := resident(pid)) is not None:
                family.add_metric([str(pid)], size)
        return family


def collect_dead(folder: Path) -> None:
    """Add what dead processes counted to the files of ``DEAD`` and remove theirs.

    A worker that is killed again and again would otherwise leave four files each time.
    """
    for pid in _processes(folder) - {DEAD}:
        if Path(f"/proc/{pid}").exists():
            continue
        for path in folder.glob(f"*_{pid}.db"):
            kind = path.name.partition("_")[0]
            if kind in _ADDED_UP:
                _add(path, folder / f"{kind}_{DEAD}.db")
            path.unlink()


def _add(source: Path, target: Path) -> None:
    together = MmapedDict(str(target))  # type: ignore[no-untyped-call]
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(source)):  # type: ignore[no-untyped-call]
            known, _ = together.read_value(key)  # type: ignore[no-untyped-call]
            together.write_value(key, known + value, 0.0)  # type: ignore[no-untyped-call]
    finally:
        together.close()  # type: ignore[no-untyped-call]


def _processes(folder: Path) -> set[int]:
    numbers = (path.stem.rpartition("_")[2] for path in folder.glob("*.db"))
    return {int(number) for number in numbers if number.isdecimal()}


def resident(pid: int) -> int | None:
    """Bytes of resident memory of a process; None where it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def page(folder: Path) -> bytes:
    """The page as text."""
    registry = CollectorRegistry()
    registry.register(SummedMetrics(folder))
    return generate_latest(registry)


def page_server(folder: Path, port: int, host: str = "127.0.0.1") -> int:
    """Serve the page from a thread of this process until it ends; the port (port 0: any free one).

    The address is loopback unless another is given: the page asks for no key. OSError where the
    port is taken.
    """
    registry = CollectorRegistry()
    registry.register(SummedMetrics(folder))
    server, _ = start_http_server(port, addr=host, registry=registry)
    return int(server.server_port)
