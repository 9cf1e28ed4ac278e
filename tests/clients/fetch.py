"""Fetches the files of packages.txt by name, from the registry that the machine's pip is set to, checked by sha256.

Not `pip download`: it wants to build what it fetches, and classic MicroPython sdists have nothing to build with.
Called by `install`: fetch.py PIP PACKAGES_TXT DIRECTORY
"""

import hashlib
import pathlib
import re
import ssl
import subprocess
import sys

from unearth import PackageFinder
from unearth.fetchers import PyPIClient


def pip_setting(pip: str, name: str) -> list[str]:
    """The words of a pip setting: the environment's before the configuration file's, as pip ranks them."""
    listing = subprocess.run([pip, "config", "list"], check=True, capture_output=True, text=True).stdout
    for level in (":env:", "install", "global"):
        if found := re.search(rf"^{re.escape(level)}\.{name}='(.*)'$", listing, re.MULTILINE):
            return found[1].replace("\\n", " ").split()
    return []


def finder(pip: str) -> PackageFinder:
    """A finder that sees what the machine's pip sees."""
    trusted = pip_setting(pip, "trusted-host")
    certificate = pip_setting(pip, "cert")
    verify = ssl.create_default_context(cafile=certificate[0]) if certificate else True
    session = PyPIClient(trusted_hosts=trusted, verify=verify, follow_redirects=True, timeout=60)
    indexes = pip_setting(pip, "index-url") + pip_setting(pip, "extra-index-url")
    return PackageFinder(session, index_urls=indexes, trusted_hosts=trusted, ignore_compatibility=True)


def fetch(packages: PackageFinder, filename: str, sha256: str, directory: pathlib.Path) -> None:
    """Fetches one file, unless it is there."""
    target = directory / filename
    if target.exists():
        return
    project = re.match(r"(.+?)-\d", filename)[1]
    link = next((p.link for p in packages.find_all_packages(project) if p.link.filename == filename), None)
    if link is None:
        sys.exit(f"fetch.py: no index that pip is set to has {filename}")
    content = packages.session.get(link.url_without_fragment).raise_for_status().content
    if (actual := hashlib.sha256(content).hexdigest()) != sha256:
        sys.exit(f"fetch.py: {filename} has sha256 {actual}, packages.txt says {sha256}")
    partial = target.with_name(f"{filename}.partial")
    partial.write_bytes(content)
    partial.rename(target)


def main(pip: str, listing: str, directory: str) -> None:
    """Fetches every file of the listing into the directory."""
    packages = finder(pip)
    for line in pathlib.Path(listing).read_text().splitlines():
        if line and not line.startswith("#"):
            fetch(packages, *line.split(), pathlib.Path(directory))


if __name__ == "__main__":
    main(*sys.argv[1:])
