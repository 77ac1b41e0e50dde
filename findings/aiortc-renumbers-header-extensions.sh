#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# aiortc 1.16.0, having answered an offer, numbers RTP header extensions anew in the first offer of its own, although a
# number may not change its meaning within a session (RFC 8285 section 5). Chromium 156 refuses such a re-INVITE: "RTP
# extension ID reassignment not supported". Without the lines a=extmap it takes it.
. "$(dirname "$0")/lib/aiortc.sh"
expect_said "answer: [('1', 'ssrc-audio-level'), ('4', 'mid')]
offer: [('1', 'mid'), ('2', 'ssrc-audio-level')]" <<'PYTHON'
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
