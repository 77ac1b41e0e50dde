#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# RTPProxy answers the ICE checks of a browser that come from an address that is none of the candidates that it was told
# (M5:1 C), the nominating one among them: for the browser ICE is complete. What the browser sends then is dropped, and
# remains so where RTPProxy is told of that address behind the nomination, as trickled candidates would be.
. "$(dirname "$0")/lib/relays.sh"
start_rtpproxy 22237
"$work/venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: aioice==0.13.0 pyOpenSSL==26.4.0
cat >"$work/call.py" <<'PYTHON'
import asyncio
import os
import socket

import aioice
import aioice.ice
from OpenSSL import SSL

aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
FINGERPRINT = ":".join(["5C"] * 32)
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
control.connect(("127.0.0.1", 22237))
control.settimeout(5)


def ask(command):
    control.send(os.urandom(8).hex().encode() + b" " + command.encode())
    return control.recv(4096).decode().split(" ", 1)[1].strip()


def first_flight():
    client = SSL.Connection(SSL.Context(SSL.DTLS_METHOD), None)
    client.set_connect_state()
    try:
        client.do_handshake()
    except SSL.WantReadError:
        return client.bio_read(4096)


async def is_answered(browser):
    for _ in range(4):
        await browser.send(first_flight())
        try:
            if (await asyncio.wait_for(browser.recv(), 0.5))[0] == 22:
                return True
        except asyncio.TimeoutError:
            pass
    return False


async def call(name, told):
    offer = ask(f"U {name} 127.0.0.1 9000 phone;1 && M4:1 S && M5:1 S").split(" && ")
    ufrag, password = offer[2].split()[:2]
    browser = aioice.Connection(ice_controlling=True)
    await browser.gather_candidates()
    port = browser.local_candidates[0].port
    answer = f"127.0.0.1 {port} phone;1 browser;1"
    where = f" && M5:1 C 1 1 UDP 2130706431 127.0.0.1 {port} typ host"
    elsewhere = where.replace("127.0.0.1", "127.0.0.7")
    ask(f"L {name} {answer} && M5:1 A {browser.local_username} {browser.local_password}"
        f"{where if told == 'before' else elsewhere} && M4:1 A sha-256 {FINGERPRINT}")
    browser.remote_username, browser.remote_password = ufrag, password
    await browser.add_remote_candidate(
        aioice.Candidate("1", 1, "udp", 2130706431, "127.0.0.1", int(offer[0].split()[0]), "host"))
    await browser.add_remote_candidate(None)
    await asyncio.wait_for(browser.connect(), 10)
    if told == "behind":
        ask(f"L {name} {answer}{where}")
    print(f"  told of the address: {told}; ICE is complete, the handshake is answered:", await is_answered(browser))
    await browser.close()
    ask(f"Q {name} phone;1 browser;1 && M5:1 D")
    ask(f"D {name} phone browser")


async def main():
    for told in ("before", "never", "behind"):
        await call(f"call-{told}", told)


asyncio.run(main())
PYTHON
"$work/venv/bin/python" "$work/call.py" | tee "$work/said"
expected="  told of the address: before; ICE is complete, the handshake is answered: True
  told of the address: never; ICE is complete, the handshake is answered: False
  told of the address: behind; ICE is complete, the handshake is answered: False"
[ "$(cat "$work/said")" = "$expected" ] || { echo "CHANGED: expected as above" >&2; exit 1; }
echo "as seen"
