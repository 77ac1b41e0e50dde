#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Where a session is in use already (a phone has answered it), and a browser is offered it next, RTPProxy answers the
# browser's ICE checks before it is told of the browser's answer, among them the one that nominates the pair, and forgets
# the nomination when the answer comes: what the browser sends then is dropped, although ICE is complete for the browser.
# In a fresh session the checks are left unanswered until the answer comes, and the browser's next one nominates.
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
MARK = ":".join(["AB"] * 32)


def ask(command):
    cookie = os.urandom(8).hex()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(5)
        line.connect(("127.0.0.1", 22237))
        line.send(f"{cookie} {command}".encode())
        return line.recv(4096).decode()[len(cookie):].strip()


def client_hello():
    handshake = SSL.Connection(SSL.Context(SSL.DTLS_METHOD), None)
    handshake.set_connect_state()
    try:
        handshake.do_handshake()
    except SSL.WantReadError:
        pass
    return handshake.bio_read(4096)


async def is_served(call, wait):
    """Offers the call to a browser whose answer comes `wait` seconds behind its checks; negative: before them."""
    port, _, words = ask(f"U {call} 127.0.0.1 9000 from;1 && M4:1 S && M5:1 S").partition(" && ")
    ufrag, password = words.split(" && ")[1].split()[:2]
    browser = aioice.Connection(ice_controlling=True)
    await browser.gather_candidates()
    own = browser.local_candidates[0]
    answer = (f"L {call} 127.0.0.1 {own.port} from;1 browser;1 && M4:1 A sha-256 {MARK} && M5:1 A {browser.local_username} "
              f"{browser.local_password} && M5:1 C {own.foundation} 1 UDP {own.priority} 127.0.0.1 {own.port} typ host")
    browser.remote_username, browser.remote_password = ufrag, password
    await browser.add_remote_candidate(
        aioice.Candidate("1", 1, "udp", 2130706431, "127.0.0.1", int(port.split()[0]), "host"))
    await browser.add_remote_candidate(None)
    if wait < 0:
        ask(answer)
    else:
        asyncio.get_running_loop().call_later(wait, ask, answer)
    await asyncio.wait_for(browser.connect(), 10)
    await asyncio.sleep(abs(wait) + 0.2)
    served = False
    for _ in range(3):
        await browser.send(client_hello())
        try:
            served = served or (await asyncio.wait_for(browser.recv(), 0.5))[0] == 22
        except asyncio.TimeoutError:
            pass
    await browser.close()
    ask(f"Q {call} from;1 browser;1 && M5:1 D")
    ask(f"D {call} from browser")
    return served


async def main():
    for is_used in (False, True):
        for wait in (-0.1, 0.3):
            call = f"call-{is_used}-{wait}"
            if is_used:
                ask(f"U {call} 127.0.0.1 9000 from;1")
                ask(f"L {call} 127.0.0.1 9100 from;1 phone;1")
            place = "in use" if is_used else "fresh"
            order = "behind" if wait > 0 else "before"
            print(f"  {place} session, the answer comes {order} the nomination: the handshake is answered:",
                  await is_served(call, wait))


asyncio.run(main())
PYTHON
"$work/venv/bin/python" "$work/call.py" | tee "$work/said"
expected="  fresh session, the answer comes before the nomination: the handshake is answered: True
  fresh session, the answer comes behind the nomination: the handshake is answered: True
  in use session, the answer comes before the nomination: the handshake is answered: True
  in use session, the answer comes behind the nomination: the handshake is answered: False"
[ "$(cat "$work/said")" = "$expected" ] || { echo "CHANGED: expected as above" >&2; exit 1; }
echo "as seen"
