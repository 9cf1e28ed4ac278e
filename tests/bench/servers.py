"""The servers that are measured: how each is started, and what the kernel says it has used. Called by `bench.py`."""

import abc
import os
import pathlib
import pwd
import subprocess
import time
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
LOADER_CORES = CORES[-1:]
SERVER_CORES = CORES[:-1] or CORES


def descendants(pid: int) -> list[int]:
    """The process and all below it."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [below for child in children for below in descendants(int(child))]


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process (proc_pid_stat(5))."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def on_cores(cores: list[int], command: list[str]) -> list[str]:
    """The command, kept to these cores (taskset(1))."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def resident(pid: int) -> int:
    """Bytes of a process in memory (proc_pid_status(5))."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


def get(url: str, headers: dict[str, str] | None = None) -> tuple[bytes, dict[str, str]]:
    """The body and the headers (in lower case) of a 200."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=120) as response:
        return response.read(), {name.lower(): value for name, value in response.headers.items()}


class Server(abc.ABC):
    """A server over a packages directory; `directory` is where it keeps what it needs."""

    name: str
    port: int

    def __init__(self, tools: pathlib.Path, directory: pathlib.Path, packages: pathlib.Path):
        self.tools, self.packages = tools, packages
        self.directory = directory / self.name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen | None = None

    @abc.abstractmethod
    def command(self) -> list[str]:
        """What starts it, in the foreground."""

    def environment(self) -> dict[str, str]:
        """What it needs beside the environment."""
        return {}

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def start(self, path: str, cores: list[int] = CORES) -> float:
        """Starts it on these cores; gives the seconds until `path` was answered for the first time."""
        begin = time.monotonic()
        with open(self.directory / "output", "wb") as output:
            environment = os.environ | self.environment()
            self.process = subprocess.Popen(
                on_cores(cores, self.command()),
                cwd=self.directory,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while time.monotonic() < begin + 600:
            try:
                get(self.url(path))
                return time.monotonic() - begin
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.002)
        raise SystemExit(f"{self.name} does not answer; it said:\n{(self.directory / 'output').read_text()}")

    def stop(self) -> None:
        """Ends it."""
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def cpu(self) -> float:
        """CPU seconds used until now by all its processes."""
        return sum(cpu_seconds(pid) for pid in descendants(self.process.pid))

    def rest(self) -> None:
        """Waits until it does next to nothing any more, at most five minutes: background work follows a start."""
        for _ in range(150):
            before = self.cpu()
            time.sleep(2)
            if self.cpu() - before < 0.05:
                return

    def memory(self) -> int:
        """Bytes of all its processes in memory."""
        return sum(resident(pid) for pid in descendants(self.process.pid))


class Micropypi(Server):
    """The release build with its defaults, but uploads for everybody, no mDNS, and the log to /dev/null as nginx's."""

    name, port = "micropypi", 18089
    binary: pathlib.Path

    def command(self) -> list[str]:
        config = self.directory / "config.toml"
        config.write_text(
            f'listen = ["127.0.0.1:{self.port}"]\n[store]\npackages = ["{self.packages}"]\n'
            f'cache = "{self.directory}/cache"\n[auth]\nprotect = []\n[mdns]\nenabled = false\n'
            '[log]\nfile = "/dev/null"\n'
        )
        return [str(self.binary), "serve", "--config", str(config)]


class Nginx(Server):
    """The bytes that micropypi answers, as static files, with the settings of Debian's nginx.conf."""

    name, port = "nginx", 18090

    def start(self, path: str, cores: list[int] = CORES) -> float:
        self.workers = len(cores)
        return super().start(path, cores)

    def command(self) -> list[str]:
        tree = self.tools / "debian/tree"
        config = self.directory / "nginx.conf"
        temporary = "".join(
            f"  {kind}_temp_path {self.directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = f"user {pwd.getpwuid(0).pw_name};\n" if os.getuid() == 0 else ""
        config.write_text(
            f"{user}worker_processes {self.workers};\ndaemon off;\npid {self.directory}/pid;\nerror_log stderr;\n"
            "events { worker_connections 768; }\nhttp {\n  sendfile on;\n  tcp_nopush on;\n  types_hash_max_size 2048;\n"
            f"  include {tree}/etc/nginx/mime.types;\n  default_type application/octet-stream;\n"
            f"  access_log /dev/null;\n  gzip on;\n{temporary}"
            f"  server {{\n    listen 127.0.0.1:{self.port};\n    root {self.site};\n    index index.html;\n"
            f"    location /packages/ {{ alias {self.packages}/; }}\n"
            "    location /gzip/ { gzip off; }\n  }\n}\n"
        )
        return [str(tree / "usr/sbin/nginx"), "-e", "stderr", "-c", str(config)]

    @property
    def site(self) -> pathlib.Path:
        """The root of the static files."""
        return self.directory / "site"

    def copy(self, path: str, content: bytes) -> None:
        """Serves these bytes at a path."""
        file = self.site / (path.lstrip("/") + ("index.html" if path.endswith("/") else ""))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


class Pypiserver(Server):
    """As its docker image runs it: gunicorn with one gevent worker, the cached directory, no log of requests."""

    name, port = "pypiserver", 18091

    def command(self) -> list[str]:
        settings = 'errorlog = "-"\npreload_app = True\nworkers = 1\nworker_class = "gevent"\n'
        (self.directory / "gunicorn.conf.py").write_text(settings)
        options = ["--server", "gunicorn", "--backend", "cached-dir", "-i", "127.0.0.1", "-p", str(self.port)]
        no_passwords = ["-a", ".", "-P", "."]
        program = self.tools / "pypiserver/bin/pypi-server"
        return [str(program), "run", *options, *no_passwords, "--disable-fallback", str(self.packages)]

    def environment(self) -> dict[str, str]:
        return {"PYTHONUNBUFFERED": "t"}
