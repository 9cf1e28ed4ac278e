"""What upip uses of uzlib (the firmware up to 1.20), on the deflate module that took its place."""

import deflate


def DecompIO(stream, size):
    """A gzip reader; `size` is 16 plus the window bits, as zlib counts them."""
    return deflate.DeflateIO(stream, deflate.GZIP, size - 16)
