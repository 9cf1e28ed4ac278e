"""Measures micropypi beside nginx and pypiserver, in one run, over the same packages. Called by `run`.

CPU per request is what /proc/PID/stat counts for all processes of a server while wrk asks it for one thing, divided by
the answers: it includes the kernel's part, and says what a small machine can serve whatever the loader costs. The
servers take turns (A B C A B C), so that other load on the machine meets all of them; the tables give medians. wrk has
one core to itself and the servers have the others, or the scheduler's choices would count for more than theirs. nginx
serves the bytes that micropypi answered, as static files. nginx and micropypi log every request, as both are shipped,
and both to /dev/null; pypiserver logs none, as its image has it. pypiserver, one process, gets one connection.
"""

import argparse
import dataclasses
import pathlib
import shutil
import statistics
import time
from collections.abc import Callable, Iterable

import corpus
import load
from load import Cost
from servers import SERVER_CORES, Micropypi, Nginx, Pypiserver, Server, get

PROJECT = "/simple/bench-00000/"
MIP_FILE = f"/file/{corpus.MODULE_DIGEST[:2]}/{corpus.MODULE_DIGEST[:8]}"
UPLOADS = 200
# pypiserver reads its whole directory again for every upload; this many seconds of that are enough.
UPLOAD_PATIENCE = {50: 200, 10_000: 20, 100_000: 3}
MIB = 1 << 20


@dataclasses.dataclass
class Case:
    """What is asked for, and the most that it may cost, as a multiple of nginx's CPU time."""

    name: str
    path: str
    bar: float
    connections: int = 8
    revalidates: bool = False
    gzip: bool = False
    """Asked for as pip and uv ask: compressed. nginx serves those bytes as they are."""
    boards_only: bool = False
    """pypiserver has no such thing."""

    @property
    def headers(self) -> dict[str, str]:
        """What the request says."""
        return {"Accept-Encoding": "gzip"} if self.gzip else {}

    @property
    def static(self) -> str:
        """The path at which nginx has a file of the answer."""
        return f"/gzip{self.path}" if self.gzip else self.path


CASES = [
    Case("project page", PROJECT, 0.7),
    Case("root page", "/simple/", 0.7),
    Case("root page, gzip", "/simple/", 0.7, gzip=True),
    Case("upip JSON", "/bench-00000/json", 0.7),
    Case("304 of a project page", PROJECT, 0.7, revalidates=True),
    Case("mip manifest", "/package/6/bench-00000/latest.json", 0.7, boards_only=True),
    Case("mip file", MIP_FILE, 1.1, boards_only=True),
    Case("file of 5 KB", f"/packages/{corpus.SMALL[0]}", 1.1),
    Case("file of 50 MB", f"/packages/{corpus.LARGE[0]}", 1.1, connections=2),
]


@dataclasses.dataclass
class Bench:
    """One run over one packages directory."""

    tools: pathlib.Path
    files: int
    rounds: int
    seconds: int
    only: str

    def __post_init__(self):
        directory = self.tools / f"files-{self.files}"
        packages = corpus.make(directory, self.files)
        self.micropypi, self.nginx, self.pypiserver = servers = [
            kind(self.tools, directory, packages) for kind in (Micropypi, Nginx, Pypiserver)
        ]
        self.servers: list[Server] = servers

    def run(self) -> None:
        """Starts the servers, measures, prints, stops them."""
        print(f"\n## {self.files} files\n")
        try:
            self.start()
            self.requests()
            self.uploads()
            self.by_hand()
            print(f"\nmicropypi's memory after all this: {self.micropypi.memory() / MIB:.1f} MiB")
        finally:
            for server in self.servers:
                server.stop()

    def start(self) -> None:
        """Start-up and idle memory on all cores; leaves the servers running on their own."""
        shutil.rmtree(self.micropypi.directory / "cache", ignore_errors=True)
        first = self.micropypi.start(PROJECT)
        for case in CASES:
            if "/packages/" not in case.path:
                self.nginx.copy(case.static, get(self.micropypi.url(case.path), case.headers)[0])
        self.micropypi.stop()
        starts = {server: [] for server in self.servers}
        memory = {server: [] for server in self.servers}
        for _ in range(self.rounds):
            for server in self.servers:
                server.stop()
                starts[server].append(server.start(PROJECT))
                server.rest()
                memory[server].append(server.memory())
        for server in self.servers:
            server.stop()
            server.start(PROJECT, SERVER_CORES)
        bar = {50: 12, 100_000: 120}.get(self.files)
        table(("", *(s.name for s in self.servers), "bar"))
        row("first start, nothing known, s", f"{first:.2f}", "", "", "")
        known = statistics.median(starts[self.micropypi])
        row("start to first answer, s", *(f"{statistics.median(starts[s]):.3f}" for s in self.servers), verdict(known, 1, "1"))
        idle = statistics.median(memory[self.micropypi]) / MIB
        figures = (f"{statistics.median(memory[s]) / MIB:.1f}" for s in self.servers)
        row("idle memory (RSS), MiB", *figures, verdict(idle, bar, f"{bar}") if bar else "")

    def requests(self) -> None:
        """CPU time and rate of each kind of request."""
        print()
        table(("CPU per request, µs", "micropypi", "nginx", "ratio", "bar", "pypiserver", "times its rate", "bar"))
        for case in CASES:
            if self.only in case.name:
                self.compare(case)

    def compare(self, case: Case) -> None:
        """One row."""
        servers = self.servers[: 2 if case.boards_only else 3]
        costs = self.alternate(servers, lambda server: self.ask(server, case))
        ours, nginx = costs[self.micropypi], costs[self.nginx]
        ratio = ours.cpu / nginx.cpu
        judged = [f"{ours.cpu * 1e6:.1f}", f"{nginx.cpu * 1e6:.1f}", f"{ratio:.2f}", verdict(ratio, case.bar, f"{case.bar}")]
        if case.boards_only:
            return row(case.name, *judged, "", "", "")
        pypiserver = costs[self.pypiserver]
        times = ours.rate / pypiserver.rate
        rate_bar = verdict(1_000, times, "1000") if case is CASES[0] and self.files == 10_000 else ""
        row(case.name, *judged, f"{pypiserver.cpu * 1e6:.1f}", f"{times:.0f}", rate_bar)

    def ask(self, server: Server, case: Case) -> Cost:
        """Load by wrk; long enough for some answers of a slow server."""
        path = case.static if server is self.nginx else case.path
        begin = time.monotonic()
        _, answered = get(server.url(path), case.headers)
        once = time.monotonic() - begin
        headers = case.headers
        if case.revalidates and "etag" in answered:
            headers |= {"If-None-Match": answered["etag"]}
        connections = 1 if server is self.pypiserver else case.connections
        return load.wrk(self.tools, server, path, headers, connections, max(self.seconds, round(3 * once)))

    def uploads(self) -> None:
        """Uploads of small files, one after another; nginx takes none."""
        if self.only not in "uploads":
            return
        count = {self.micropypi: UPLOADS, self.pypiserver: UPLOAD_PATIENCE.get(self.files, 20)}
        project = iter(range(10_000))
        costs = self.alternate(
            list(count), lambda server: load.upload(server, f"upload-{server.name}-{next(project)}", count[server])
        )
        ours, theirs = costs[self.micropypi], costs[self.pypiserver]
        print()
        table((f"{UPLOADS} uploads of 2 KB", "micropypi", "pypiserver", "ratio"))
        row("CPU per upload, µs", f"{ours.cpu * 1e6:.0f}", f"{theirs.cpu * 1e6:.0f}", f"{ours.cpu / theirs.cpu:.4f}")
        row("uploads a second", f"{ours.rate:.0f}", f"{theirs.rate:.1f}", f"{ours.rate / theirs.rate:.0f}")

    def by_hand(self) -> None:
        """The longest time until a file that is copied or removed by hand shows. nginx has no index, and pypiserver, as its
        image runs it, sees no change."""
        if self.only not in "by hand":
            return
        waits = [load.by_hand(self.micropypi, f"hand-{number}") for number in range(self.rounds)]
        print()
        table(("by hand, until the project's page shows it, s", "micropypi", "bar"))
        for title, longest in zip(("a file that is copied", "a file that is removed"), map(max, zip(*waits))):
            row(title, f"{longest:.2f}", verdict(longest, 2, "2"))

    def alternate(self, servers: list[Server], measure: Callable[[Server], Cost]) -> dict[Server, Cost]:
        """The medians of some rounds in which the servers take turns."""
        costs = {server: [] for server in servers}
        for _ in range(self.rounds):
            for server in servers:
                costs[server].append(measure(server))
        return {server: Cost(median(c.cpu for c in all_), median(c.rate for c in all_)) for server, all_ in costs.items()}


def median(values: Iterable[float]) -> float:
    """The median; never 0, which a clock of 10 ms can give for the fastest."""
    return max(statistics.median(values), 1e-9)


def verdict(value: float, most: float, bar: str) -> str:
    """The bar, and whether it is met."""
    return f"{bar} {'ok' if value <= most else 'MISSED'}"


def table(titles: tuple[str, ...]) -> None:
    """The head of a table."""
    row(*titles)
    row(*("---" for _ in titles))


def row(*cells: str) -> None:
    """A row of a table."""
    print("|", " | ".join(cells), "|", flush=True)


def main() -> None:
    """Reads the command line and runs over every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="micropypi's release build")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="where everything is kept")
    parser.add_argument("--files", default="50,10000,100000", help="sizes of the packages directory")
    parser.add_argument("--rounds", type=int, default=5, help="how often each measurement is made")
    parser.add_argument("--seconds", type=int, default=2, help="how long wrk asks for one thing")
    parser.add_argument("--only", default="", metavar="WORD", help="only the cases whose name holds this")
    options = parser.parse_args()
    Micropypi.binary = options.binary
    for files in options.files.split(","):
        Bench(options.work, int(files), options.rounds, options.seconds, options.only).run()


if __name__ == "__main__":
    main()
