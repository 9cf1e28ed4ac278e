"""Resolves the host name of its argument as lwIP does (RFC 6762, section 6.7): an ordinary DNS query from an ephemeral port.
Prints what a DNS client that knows nothing of mDNS depends on, as JSON."""

import json
import socket
import struct
import sys

ID = 0x4D50
question = b"".join(bytes([len(label)]) + label.encode() for label in sys.argv[1].split(".")) + b"\0\0\1\0\1"
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.sendto(struct.pack("!6H", ID, 0, 1, 0, 0, 0) + question, ("224.0.0.251", 5353))
answer, _ = client.recvfrom(9000)
id_, flags, questions, answers, *_ = struct.unpack_from("!6H", answer)
rest = answer[12 + len(question) :]
rest = rest[2:] if rest[0] >= 0xC0 else rest[len(question) - 4 :]
type_, class_, ttl, length = struct.unpack_from("!HHIH", rest)
print(
    json.dumps(
        {
            "id_echoed": id_ == ID,
            "question_echoed": questions == 1 and answer[12:].startswith(question),
            "response": bool(flags & 0x8000),
            "answers": answers,
            "type": type_,
            "class": class_,
            "ttl": ttl,
            "address": socket.inet_ntoa(rest[10:14]) if length == 4 else None,
        }
    )
)
