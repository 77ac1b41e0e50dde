# SPDX-License-Identifier: GPL-2.0-or-later
# Ends with 0 if the RTPProxy of this container answers. The control socket is that of Containerfile.rtpproxy.
import socket

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
    control.settimeout(2)
    control.connect("/run/rtpproxy/control")
    control.sendall(b"V\n")
    if not control.recv(100).startswith(b"20"):
        raise SystemExit("RTPProxy answers something else than its version")
