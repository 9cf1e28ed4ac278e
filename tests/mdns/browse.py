"""Browses the service types of its arguments with python-zeroconf; prints a JSON line for each change, until it is ended."""

import json
import sys
import time

from zeroconf import IPVersion, ServiceBrowser, Zeroconf


class Listener:
    def add_service(self, zeroconf, type_, name):
        info = zeroconf.get_service_info(type_, name, 3000)
        if info:
            txt = {key.decode(): value.decode() for key, value in info.properties.items()}
            self.show("seen", name, host=info.server, port=info.port, txt=txt, addresses=info.parsed_addresses())

    update_service = add_service

    def remove_service(self, zeroconf, type_, name):
        self.show("gone", name)

    def show(self, event, name, **details):
        print(json.dumps({"event": event, "name": name, **details}), flush=True)


ServiceBrowser(Zeroconf(ip_version=IPVersion.All), sys.argv[1:], Listener())
while True:
    time.sleep(60)
