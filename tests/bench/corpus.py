"""The packages that are served: made in code, kept below target/. Called by `bench.py`."""

import gzip
import hashlib
import io
import pathlib
import random
import tarfile

RELEASES = 10
SMALL = ("bench-small-1.0.tar.gz", 5 << 10)
LARGE = ("bench-large-1.0.tar.gz", 50 << 20)
MODULE = b"print('hello')\n"
MODULE_DIGEST = hashlib.sha256(MODULE).hexdigest()


def sdist(project: str, version: str, padding: int = 0) -> bytes:
    """A source distribution with a PKG-INFO and a module; `padding` bytes that do not compress make it larger."""
    top = f"{project}-{version}"
    info = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\nSummary: A driver\nRequires-Python: >=3.4\n"
    members = {f"{top}/PKG-INFO": info.encode(), f"{top}/{project.replace('-', '_')}.py": MODULE}
    if padding:
        members[f"{top}/data.bin"] = random.Random(padding).randbytes(padding)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), compresslevel=1, mtime=0)


def make(directory: pathlib.Path, files: int) -> pathlib.Path:
    """A packages directory of this many files: projects of ten releases, one file of 5 KB and one of 50 MB."""
    packages = directory / "packages"
    complete = directory / "complete"
    if not complete.exists():
        packages.mkdir(parents=True, exist_ok=True)
        for number in range(files - 2):
            project, version = f"bench-{number // RELEASES:05}", f"1.{number % RELEASES}"
            (packages / f"{project}-{version}.tar.gz").write_bytes(sdist(project, version))
        for name, size in (SMALL, LARGE):
            project, version = name.removesuffix(".tar.gz").rsplit("-", 1)
            (packages / name).write_bytes(sdist(project, version, size))
        complete.touch()
    for pattern in ("upload-*", "hand-*"):
        for left in packages.glob(pattern):
            left.unlink()
    return packages
