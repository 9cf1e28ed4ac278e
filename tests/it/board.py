"""A board on a pty: tells the name of the terminal, and becomes the program of the board, which has its other end.

Called by mpremote.rs: board.py PROGRAM ARGUMENT...
"""

import os
import pty
import sys
import tty

board, terminal = pty.openpty()
tty.setraw(terminal)
print(os.ttyname(terminal), flush=True)
# While nobody has a terminal open, reading from its other end fails.
os.set_inheritable(terminal, True)
os.dup2(board, 0)
os.dup2(board, 1)
os.execv(sys.argv[1], sys.argv[1:])
