"""The raw REPL of a board, run by MicroPython's unix port, which has none where its input is no terminal of its own.

Source: "Raw mode and raw-paste mode" in MicroPython's reference. This board knows of raw-paste mode, and refuses it.
"""

import sys

read, write = sys.stdin.buffer.read, sys.stdout.buffer.write
names = {"__name__": "__main__"}
code = bytearray()
while byte := read(1):
    if byte == b"\x01":  # Ctrl-A enters raw mode
        write(b"raw REPL; CTRL-B to exit\r\n>")
        code = bytearray()
    elif byte == b"\x05":  # Ctrl-E A Ctrl-A asks for raw-paste mode
        read(2)
        write(b"R\x00")
    elif byte == b"\x04":  # Ctrl-D runs what came before
        write(b"OK")
        try:
            exec(str(code, "utf-8"), names)
            write(b"\x04")
        except BaseException as error:
            write(b"\x04")
            sys.print_exception(error, sys.stdout)
        write(b"\x04>")
        code = bytearray()
    elif byte in b"\x02\x03":  # Ctrl-B leaves raw mode, Ctrl-C interrupts
        code = bytearray()
    else:
        code += byte
