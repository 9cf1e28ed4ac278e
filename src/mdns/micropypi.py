# Asks the LAN for its package server: one-shot DNS-SD.
import socket as s


def find():
    u = s.socket(s.AF_INET, s.SOCK_DGRAM)
    u.settimeout(1)
    for _ in range(3):
        try:
            q = b"\0\1\0\0\0\1\0\0\0\0\0\0\5_pypi\4_tcp\5local\0\0\x0c\x80\1"
            u.sendto(q, s.getaddrinfo("224.0.0.251", 5353)[0][-1])
            d, a = u.recvfrom(1024)
        except OSError:
            continue
        i = d.find(b"\0!\0\1") + 14
        if i > 13:
            u.close()
            h = a[0] if isinstance(a, tuple) else ".".join(map(str, a[4:8]))
            t = "https" if b"=https" in d else "http"
            return "%s://%s:%d" % (t, h, d[i] << 8 | d[i + 1])
    u.close()
    raise OSError("no server")


def install(name, version=None):
    u = find()
    try:
        import mip
    except ImportError:
        import upip

        upip.index_urls = [u]
        upip.install(name + "==" + version if version else name)
    else:
        mip.install(name, index=u, version=version)
