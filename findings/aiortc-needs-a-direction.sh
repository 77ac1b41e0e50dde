#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# aiortc 1.16.0 takes an offer whose media section has no direction attribute, which means sendrecv (RFC 8866 section 6.7,
# and most phones leave it out), and then cannot answer it: createAnswer() raises a ValueError. With a=sendrecv it answers.
. "$(dirname "$0")/lib/aiortc.sh"
expect_said "with a direction: sendrecv
without a direction: ValueError: None is not in list" <<'PYTHON'
import asyncio
import re

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack


async def main():
    other = RTCPeerConnection()
    other.addTrack(AudioStreamTrack())
    await other.setLocalDescription(await other.createOffer())
    offer = other.localDescription.sdp
    for name, sdp in (("with", offer), ("without", re.sub(r"(?m)^a=sendrecv\r\n", "", offer))):
        own = RTCPeerConnection()
        own.addTrack(AudioStreamTrack())
        await own.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        try:
            answer = (await own.createAnswer()).sdp
            print(name, "a direction:", re.search(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)\r", answer).group(1))
        except ValueError as error:
            print(name, "a direction:", "ValueError:", error)
        await own.close()
    await other.close()


asyncio.run(main())
PYTHON
