# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the real RTPProxy of the wheel rtp.io in the foreground: real-relay.py ADDRESS MIN_PORT MAX_PORT CONTROL_SOCKET... [-- OPTION...]
import signal
import sys
import threading

from rtp.io import rtpproxy

# What stands behind "--" goes to RTPProxy as it is.
own, more = sys.argv[1:], []
if "--" in own:
    own, more = own[: own.index("--")], own[own.index("--") + 1 :]
address, lowest, highest, *sockets = own
arguments = ["-F", "-l", address, "-m", lowest, "-M", highest] + more
for socket in sockets:
    arguments += ["-s", socket]
ended = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: ended.set())
relay = rtpproxy(extra_args=arguments)
ended.wait()
