"""Has UDP port 5353 for itself, until it is killed."""

import signal
import socket

hog = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
hog.bind(("0.0.0.0", 5353))
print("ready", flush=True)
signal.pause()
