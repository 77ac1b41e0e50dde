#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A leg that a browser has connected to stays the browser's: another device answers on it without ICE (serial forking
# behind early media), RTPProxy is told to end ICE and DTLS there (M5:1 D, M4:1 D) and answers that it has, and its packets
# go on to where the browser was; the new device hears nothing and is not heard. Where the first device is a plain phone,
# the second one is heard.
. "$(dirname "$0")/lib/relays.sh"
start_rtpproxy 22237
"$work/venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: aiortc==1.16.0
cat >"$work/call.py" <<'PYTHON'
import asyncio
import os
import re
import socket

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

CONTROL = ("127.0.0.1", 22237)
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


class End:
    """A plain phone's socket."""

    def __init__(self, port=0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.port, self.number, self.heard = self.socket.getsockname()[1], 0, 0

    def send(self, port):
        head = bytes([0x80, 0]) + self.number.to_bytes(2, "big") + (160 * self.number).to_bytes(4, "big")
        self.socket.sendto(head + self.port.to_bytes(4, "big") + bytes(160), ("127.0.0.1", port))
        self.number += 1

    def listen(self):
        try:
            while True:
                packet = self.socket.recv(2048)
                # Of audio, encrypted or not.
                self.heard += len(packet) >= 172 and packet[1] & 0x7F == 0
        except BlockingIOError:
            pass


def ask(command):
    cookie = os.urandom(8).hex()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(5)
        line.connect(CONTROL)
        line.send(f"{cookie} {command}".encode())
        return line.recv(4096).decode()[len(cookie):].strip()


async def talk(ends, seconds=2.0):
    """Each of the ends sends to its port."""
    for end, _ in ends:
        end.listen()
        end.heard = 0
    for _ in range(int(seconds / 0.02)):
        for end, port in ends:
            end.send(port)
        await asyncio.sleep(0.02)
        for end, _ in ends:
            end.listen()
    return [end.heard for end, _ in ends]


async def browser(call, caller):
    """Offers the call to a browser, which answers and talks with the caller. Returns the two ports."""
    parts = ask(f"U {call} 127.0.0.1 {caller.port} from;1 && M4:1 S && M5:1 S").split(" && ")
    inside = int(parts[0].split()[0])
    fingerprint, (ufrag, password) = parts[1].split()[2], parts[2].split()[:2]
    connection = RTCPeerConnection()
    connection.addTrack(AudioStreamTrack())
    offer = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite", f"m=audio {inside} UDP/TLS/RTP/SAVPF 0",
             "c=IN IP4 127.0.0.1", "a=sendrecv", "a=mid:0", "a=rtcp-mux", "a=rtpmap:0 PCMU/8000", "a=setup:actpass",
             f"a=fingerprint:sha-256 {fingerprint}", f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}",
             f"a=candidate:1 1 UDP 2130706431 127.0.0.1 {inside} typ host", "a=end-of-candidates", ""]
    await connection.setRemoteDescription(RTCSessionDescription("\r\n".join(offer), "offer"))
    await connection.setLocalDescription(await connection.createAnswer())
    answer = connection.localDescription.sdp

    def value(name):
        return re.search(rf"(?m)^a={name}:(\S+)", answer).group(1)

    mark = re.search(r"(?m)^a=fingerprint:sha-256 (\S+)", answer).group(1).upper()
    foundation, priority, port = re.search(r"(?m)^a=candidate:(\S+) 1 udp (\d+) 127.0.0.1 (\d+)", answer).groups()
    reply = ask(
        f"L {call} 127.0.0.1 {port} from;1 one;1 && M4:1 A sha-256 {mark} && M5:1 A {value('ice-ufrag')} "
        f"{value('ice-pwd')} && M5:1 C {foundation} 1 UDP {priority} 127.0.0.1 {port} typ host")
    outside = int(reply.split()[0])
    for _ in range(100):
        if connection.connectionState == "connected":
            break
        await asyncio.sleep(0.1)
    heard = (await talk([(caller, outside)]))[0]
    print("  the browser is heard by the caller:", heard > 10)
    await connection.close()
    return inside, outside, int(port)


async def phone(call, caller):
    """The same with a phone."""
    first = End()
    inside = int(ask(f"U {call} 127.0.0.1 {caller.port} from;1").split()[0])
    outside = int(ask(f"L {call} 127.0.0.1 {first.port} from;1 one;1").split()[0])
    heard = (await talk([(caller, outside), (first, inside)]))[0]
    print("  the phone is heard by the caller:", heard > 10)
    first.socket.close()
    return inside, outside, first.port


async def main():
    for kind, end in ((browser, " && M4:1 D && M5:1 D"), (phone, "")):
        caller, second = End(), End()
        call = kind.__name__
        inside, outside, port = await kind(call, caller)
        gone = End(port)
        ask(f"U {call} 127.0.0.1 {caller.port} from;1")
        reply = ask(f"L {call} 127.0.0.1 {second.port} from;1 two;1{end}")
        print(f"  L for the second device{end}: answered {'well' if reply == f'{outside} 127.0.0.1' else reply}")
        heard = await talk([(caller, outside), (second, inside)])
        gone.listen()
        print("  packets come where the first one was:", gone.heard > 10)
        print("  the second device is heard by the caller, and hears it:", [count > 10 for count in heard])


asyncio.run(main())
PYTHON
"$work/venv/bin/python" "$work/call.py" | tee "$work/said"
expected="  the browser is heard by the caller: True
  L for the second device && M4:1 D && M5:1 D: answered well
  packets come where the first one was: True
  the second device is heard by the caller, and hears it: [False, False]
  the phone is heard by the caller: True
  L for the second device: answered well
  packets come where the first one was: False
  the second device is heard by the caller, and hears it: [True, True]"
[ "$(cat "$work/said")" = "$expected" ] || { echo "CHANGED: expected as above" >&2; exit 1; }
echo "as seen"
