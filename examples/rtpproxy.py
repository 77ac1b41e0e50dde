#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the RTPProxy of the wheel rtp.io, which is a library, in the foreground as a program: rtpproxy.py OPTION...
#
# The options are RTPProxy's own. The wheel: python3 -m venv /opt/rtpproxy && /opt/rtpproxy/bin/pip install rtp.io
import signal
import sys
import threading

from rtp.io import rtpproxy

ended = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: ended.set())
relay = rtpproxy(extra_args=sys.argv[1:])
ended.wait()
