#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# aiortc 1.16.0, having answered an offer, numbers RTP header extensions anew in the first offer of its own, although a
# number may not change its meaning within a session (RFC 8285 section 5). Chromium 156 refuses such a re-INVITE: "RTP
# extension ID reassignment not supported". Without the lines a=extmap it takes it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: aiortc==1.16.0
cat >"$work/ask.py" <<'PYTHON'
import asyncio
import re

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack


def extensions(sdp):
    return sorted(re.findall(r"(?m)^a=extmap:(\d+) \S*:(\S+)", sdp))


async def main():
    other, own = RTCPeerConnection(), RTCPeerConnection()
    other.addTrack(AudioStreamTrack())
    await other.setLocalDescription(await other.createOffer())
    # As Chromium numbers them.
    offer = re.sub(r"(?m)^a=extmap:.*\r\n", "", other.localDescription.sdp)
    names = "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "urn:ietf:params:rtp-hdrext:sdes:mid"
    lines = f"a=extmap:1 {names[0]}\r\na=extmap:4 {names[1]}\r\n"
    offer = re.sub(r"(?m)^(a=mid:)", lambda found: lines + found.group(1), offer)
    await own.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    own.addTrack(AudioStreamTrack())
    await own.setLocalDescription(await own.createAnswer())
    print("answer:", extensions(own.localDescription.sdp))
    print("offer:", extensions((await own.createOffer()).sdp))
    await asyncio.gather(own.close(), other.close())


asyncio.run(main())
PYTHON
"$work/venv/bin/python" "$work/ask.py" | tee "$work/said"
expected="answer: [('1', 'ssrc-audio-level'), ('4', 'mid')]
offer: [('1', 'mid'), ('2', 'ssrc-audio-level')]"
if [ "$(cat "$work/said")" != "$expected" ]; then
	echo "CHANGED: expected other numbers in the offer than in the answer" >&2
	exit 1
fi
echo "as seen"
