"""Load on one server, and what it cost there. Called by `bench.py`."""

import dataclasses
import http.client
import os
import pathlib
import re
import subprocess
import time
import urllib.error

import corpus
from servers import LOADER_CORES, Server, get, on_cores


@dataclasses.dataclass
class Cost:
    """What one request cost."""

    cpu: float
    """Seconds of the server's CPU time."""
    rate: float
    """Requests a second."""


def wrk(tools: pathlib.Path, server: Server, path: str, headers: dict[str, str], connections: int, seconds: int) -> Cost:
    """Asks for a path as fast as it is answered."""
    tree = tools / "debian/tree/usr"
    library = next(tree.glob("lib/*/libluajit*")).parent
    command = [str(tree / "bin/wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "100s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    before = server.cpu()
    environment = os.environ | {"LD_LIBRARY_PATH": str(library)}
    command = on_cores(LOADER_CORES, [*command, server.url(path)])
    run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    used = server.cpu() - before
    if "Non-2xx" in run.stdout or "Socket errors" in run.stdout:
        raise SystemExit(f"{server.name} failed at {path}:\n{run.stdout}")
    requests = int(re.search(r"(\d+) requests in", run.stdout)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)[1])
    return Cost(used / max(requests, 1), rate)


def form(project: str, version: str) -> tuple[bytes, str]:
    """An upload as twine sends it, and its content type."""
    fields = {":action": "file_upload", "protocol_version": "1", "metadata_version": "2.1", "name": project, "version": version}
    parts = [f'--edge\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    file = f'--edge\r\nContent-Disposition: form-data; name="content"; filename="{project}-{version}.tar.gz"\r\n\r\n'
    body = "".join(parts).encode() + file.encode() + corpus.sdist(project, version, 2_000) + b"\r\n--edge--\r\n"
    return body, "multipart/form-data; boundary=edge"


def upload(server: Server, project: str, files: int) -> Cost:
    """Uploads this many releases of a new project, one after another on one connection."""
    forms = [form(project, f"1.{number}") for number in range(files)]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    before, begin = server.cpu(), time.monotonic()
    for body, media_type in forms:
        connection.request("POST", "/", body, {"Content-Type": media_type})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{server.name} refused an upload: {answer.status} {text.decode()}")
    elapsed = time.monotonic() - begin
    connection.close()
    return Cost((server.cpu() - before) / files, files / elapsed)


def by_hand(server: Server, project: str) -> tuple[float, float]:
    """Seconds until a file shows that is copied into the packages directory, and until it is gone that was removed."""
    file = server.packages / f"{project}-1.0.tar.gz"
    file.write_bytes(corpus.sdist(project, "1.0", 2_000))
    copied = seconds_until(server, project, True)
    file.unlink()
    return copied, seconds_until(server, project, False)


def seconds_until(server: Server, project: str, listed: bool) -> float:
    """Seconds until the project has a page, or none; it is asked for every 10 ms."""
    begin = time.monotonic()
    while time.monotonic() < begin + 120:
        try:
            get(server.url(f"/simple/{project}/"))
            has_page = True
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            has_page = False
        if has_page == listed:
            return time.monotonic() - begin
        time.sleep(0.01)
    raise SystemExit(f"{server.name} does not follow its packages directory: {project}")
