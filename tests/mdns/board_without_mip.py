"""Makes the archived upip obey `upip.index_urls`, as the firmware's does, and installs by the module for boards.

Run by MicroPython without its frozen modules, so that there is no mip: `board_without_mip.py TARGET NAME [VERSION]`.
"""

import sys

import upip
import upip_board as firmware


def get_pkg_metadata(spec):
    firmware.index_urls = upip.index_urls
    return firmware.get_pkg_metadata(spec)


upip.usocket = firmware.socket_with_port
upip.get_pkg_metadata = get_pkg_metadata
upip.install_path = sys.argv[1]

import micropypi  # noqa: E402

micropypi.install(*sys.argv[2:])
