"""Prints each record of each mDNS response that arrives at the address in its argument, as NAME TYPE TTL FLUSH DATA."""

import socket
import sys

from zeroconf import DNSIncoming

GROUP = "224.0.0.251"

sniffer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sniffer.bind((GROUP, 5353))
sniffer.setsockopt(
    socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(sys.argv[1])
)
TYPES = {1: "A", 12: "PTR", 16: "TXT", 28: "AAAA", 33: "SRV"}
print("ready", flush=True)
while True:
    packet, (source, _) = sniffer.recvfrom(9000)
    message = DNSIncoming(packet)
    if message.is_response():
        for record in message.answers():
            kind = TYPES.get(record.type, record.type)
            print(record.name, kind, record.ttl, "flush" if record.unique else "shared", source, flush=True)
