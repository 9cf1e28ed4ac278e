"""upip as the firmware from 1.12 to 1.19.1 has it: the archived upip 1.2.6, and the three things that it lacks.

They are `index_urls` with a fallback on 404 and 301, a port in a URL, and `name==version`.
Imported by MicroPython from the tests: `upip_board.install(index_urls, target, specs)`.
"""

import upip
import usocket


index_urls = []


class socket_with_port:
    """usocket, for hosts written `name:port`."""

    SOCK_STREAM = usocket.SOCK_STREAM
    socket = usocket.socket

    @staticmethod
    def getaddrinfo(host, port, *rest):
        if ":" in host:
            host, port = host.split(":")
        return usocket.getaddrinfo(host, int(port), *rest)


def get_pkg_metadata(spec):
    """The JSON of the first index that has the package; a version asked for takes the latest's place."""
    name, _, version = spec.partition("==")
    for url in index_urls:
        try:
            stream = upip.url_open("%s/%s/json" % (url, name))
        except upip.NotFoundError:
            continue
        data = upip.json.load(stream)
        stream.close()
        if version:
            data["info"]["version"] = version
        return data
    raise upip.NotFoundError("Package not found")


def install(urls, target, specs):
    """Installs `name` or `name==version` each, and what they require, into the target folder."""
    global index_urls
    index_urls = urls
    upip.usocket = socket_with_port
    upip.get_pkg_metadata = get_pkg_metadata
    upip.install(specs, target)
