# SPDX-License-Identifier: GPL-2.0-or-later
# A SIP user agent with WebRTC media, or plain RTP, for tests: it sends a tone and says which tone it hears.
#
# usage: webrtc.py --name alice --proxy udp:127.0.0.1:5060 --console 127.0.0.1:4000 [option...]
#
#   --proxy P          udp:HOST:PORT, ws://HOST:PORT/ or wss://HOST:PORT/ (any certificate is taken)
#   --address A        its own address for SIP over UDP and its only candidate; without: 127.0.0.1, and candidates of
#                      every address of the machine but loopback
#   --domain D         of its own URI, sip:NAME@DOMAIN; without: the proxy's host
#   --tone HZ          what it sends; 0: silence
#   --codecs A,B       of audio, the first preferred: PCMU, PCMA, G722, opus
#   --auto             answers calls by itself
#   --offers LIST      what a call offers: audio (the default) or audio,video
#   --bundle POLICY    balanced, max-compat or max-bundle
#   --setup ROLE       what its answers say where the offer leaves the choice: active (the default) or passive
#   --case lower       writes fingerprints in lower case; without: in upper case, as aiortc does
#   --mids A,B         names the streams that it offers so; without: from 0
#   --no-group         offers without a=group
#   --plain            has plain RTP, PCMU, instead of WebRTC; it counts what it hears and knows no tones
#   --quiet            sends nothing but what `talk` says; for calls by the hundred, whose SIP it does not print
#   --candidate TEXT   says these words behind a=candidate: instead of its own candidates; may be repeated
#   --late-ice SECONDS begins its checks so much later than it could
#
# It prints one line of JSON for each event: {"event": "sent" or "received", "what": "INVITE" or "200 INVITE", "call":
# 1, "sdp": ...} for each SIP message, "ice", "dtls" and "problem". Commands come as datagrams to the console, are
# carried out, and answered with JSON: {"ok": true, ...} or {"ok": false, "error": ...}.
#
#   register [SECONDS]      waits for the answer; 0: takes the registration back
#   call URI [late]         a new call, its number is "call"; late: an INVITE without an offer
#   calls                   {"calls": [...]}, what `status` says of each
#   status N                "state" (calling, ringing, answered, ended), "code" (of the last final answer), "ice",
#                           "dtls", "heard" (the tone's frequency in the last half second, null where there is none),
#                           "packets" (received until now, of all streams), "frames" (pictures decoded)
#   early N                 answers with 183 and a description; `answer` sends the same one then
#   answer N, reject N CODE
#   hold N, resume N        a re-INVITE; answered before this returns
#   tone N HZ               sends another tone from now on
#   bye N                   BYE, or CANCEL while it is not answered
#   crowd N URI             begins N calls one after the other, each when the one before is up, until one does
#                           not come up; answered at once
#   talk N MS               all calls that are up send N packets, one every MS milliseconds; answered at once
#   disperse                BYE to all calls, one after the other; answered at once
#   count                   "up" (calls that are answered, and over whose media something can go), "ended", "failed",
#                           "sent" and "heard" (packets of all calls), "least" and "most" (heard in a call),
#                           "works" (whether a command that was answered at once goes on)
#   quit
#
# As browsers do, it takes no description whose streams are named otherwise than those of the one before, and no answer
# with a group that the offer did not have.
#
# aiortc does not restart ICE, and looks into no candidate's `.local` name.

import argparse
import array
import asyncio
import fractions
import json
import math
import random
import re
import ssl
import sys
import time
import uuid

import aioice.ice
import av
import websockets
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack, VideoStreamTrack
from aiortc.rtcconfiguration import RTCBundlePolicy

RATE = 8000  # samples a second of the tones
FRAME = 160  # samples of a frame: 20 ms


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


# --- tones ---


class Tone(MediaStreamTrack):
    """Sends a sine, a frame every 20 ms."""

    kind = "audio"

    def __init__(self, frequency, is_quiet=False):
        super().__init__()
        self.frequency = frequency
        self.position = 0
        self.begin = None
        self.wanted = asyncio.Queue() if is_quiet else None  # seconds to wait before each frame

    async def recv(self):
        if self.readyState != "live":
            raise MediaStreamError
        if self.wanted:
            await asyncio.sleep(await self.wanted.get())
            self.begin = time.monotonic() - self.position / RATE
        if self.begin is None:
            self.begin = time.monotonic()
        await asyncio.sleep(max(0, self.begin + self.position / RATE - time.monotonic()))
        step = 2 * math.pi * self.frequency / RATE
        loudness = 8000 if self.frequency else 0
        samples = array.array(
            "h", (int(loudness * math.sin(step * n)) for n in range(self.position, self.position + FRAME)))
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(samples.tobytes())
        frame.pts, frame.sample_rate, frame.time_base = self.position, RATE, fractions.Fraction(1, RATE)
        self.position += FRAME
        return frame


class Ear:
    """Says which tone a track carries."""

    def __init__(self):
        self.samples = []
        self.rate = RATE
        self.heard_at = 0.0
        self.frequency = None
        self.frames = 0

    async def listen(self, track):
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        try:
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    self.frames += 1
                    continue
                for part in resampler.resample(frame):
                    self.samples.extend(array.array("h", bytes(part.planes[0])[: part.samples * 2]))
                if len(self.samples) >= RATE // 5:
                    self.frequency = pitch(self.samples)
                    self.heard_at = time.monotonic()
                    self.samples = []
        except MediaStreamError:
            pass

    def tone(self):
        return self.frequency if time.monotonic() - self.heard_at < 0.5 else None


def pitch(samples):
    """The frequency of a sine with whatever noise codecs add, by its rises through zero; None where it is quiet or no
    tone. The second half of the samples only: the first may be of another one."""
    samples = samples[len(samples) // 2:]
    if sum(abs(value) for value in samples) / len(samples) < 300:
        return None
    rises = []
    for place in range(1, len(samples)):
        before, after = samples[place - 1], samples[place]
        if before < 0 <= after:
            rises.append(place - 1 + before / (before - after))
    if len(rises) < 4:
        return None
    periods = [later - earlier for earlier, later in zip(rises, rises[1:])]
    mean = sum(periods) / len(periods)
    if max(abs(period - mean) for period in periods) > max(1.0, mean / 5):
        return None
    return round(RATE / mean)


# --- SIP ---


class Message:
    """A SIP message: its first line, its header fields in order, its body."""

    def __init__(self, first, headers=(), body=""):
        self.first, self.headers, self.body = first, list(headers), body

    @classmethod
    def parse(cls, text):
        head, _, body = text.partition("\r\n\r\n")
        lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
        headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = {"v": "Via", "f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "l": "Content-Length",
                    "c": "Content-Type"}.get(name.strip().lower(), name.strip())
            headers.append((name, value.strip()))
        return cls(lines[0], headers, body)

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __getitem__(self, name):
        return next(iter(self.all(name)), "")

    @property
    def status(self):
        return int(self.first.split(" ")[1]) if self.first.startswith("SIP/2.0 ") else 0

    @property
    def method(self):
        return self["CSeq"].split()[-1] if self.status else self.first.split(" ")[0]

    @property
    def what(self):
        return f"{self.status} {self.method}" if self.status else self.method

    def routes(self):
        """Record-Route, one URI each, as they stand."""
        return [part.strip() for value in self.all("Record-Route") for part in re.split(r",(?=\s*<)", value)]

    def text(self):
        headers = list(self.headers)
        if self.body:
            headers.append(("Content-Type", "application/sdp"))
        headers.append(("Content-Length", str(len(self.body.encode()))))
        return self.first + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n" + self.body


def uri_of(contact):
    found = re.search(r"<([^>]*)>", contact)
    return found.group(1) if found else contact.split(";")[0].strip()


def names_of(sdp):
    return re.findall(r"(?m)^a=mid:([^\r\n]*)", sdp)


def rename(sdp, names):
    """A description with other names of its streams."""
    return re.sub(
        r"(?m)^(a=mid:|a=group:BUNDLE )([^\r\n]*)",
        lambda found: found.group(1) + " ".join(names.get(word, word) for word in found.group(2).split(" ")), sdp)


def check_names(offer, answer):
    """Refuses what browsers refuse of the names in an answer."""
    if names_of(answer) != names_of(offer):
        raise ValueError(f"the answer names its streams {names_of(answer)}, the offer {names_of(offer)}")
    groups = [
        [set(words.split()) for words in re.findall(r"(?m)^a=group:BUNDLE ([^\r\n]*)", sdp)] for sdp in (offer, answer)]
    refused = {name for media in answer.split("\r\nm=")[1:] if media.split(" ")[1] == "0" for name in names_of(media)}
    for group in groups[1]:
        if group & refused or not any(group <= one for one in groups[0]):
            raise ValueError(f"the answer has the groups {groups[1]}, the offer {groups[0]}")


class Datagrams(asyncio.DatagramProtocol):
    """Hands each datagram on."""

    def __init__(self, take):
        self.take = take

    def datagram_received(self, data, address):
        self.take(data, address)


class Call:
    """One dialog and its peer connection."""

    def __init__(self, agent, number, identity, local, remote, target):
        self.agent, self.number, self.id = agent, number, identity
        self.local, self.remote, self.target = local, remote, target
        self.routes, self.sequence, self.branch = [], 0, ""
        self.invite = None  # the INVITE to answer, or the one under way
        self.is_caller, self.is_late = False, False
        self.state, self.code, self.is_held = "calling", 0, False
        self.ear, self.eye = Ear(), Ear()
        self.tone = Tone(agent.options.tone, agent.options.quiet)
        self.pc = self.make_connection()
        self.names = {}  # what aiortc calls its streams, and what it says instead
        self.offered = ""
        self.early = None  # what it has answered with 183
        self.finals = {}  # by CSeq: what waits for a final answer

    def make_connection(self):
        pc = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy(self.agent.options.bundle)))

        @pc.on("track")
        def arrived(track):
            ear = self.ear if track.kind == "audio" else self.eye
            asyncio.ensure_future(ear.listen(track))

        if not self.agent.options.quiet:

            @pc.on("iceconnectionstatechange")
            def ice():
                say("ice", call=self.number, state=pc.iceConnectionState)

            @pc.on("connectionstatechange")
            def connection():
                say("dtls", call=self.number, state=self.dtls())

        return pc

    def dtls(self):
        states = {t.receiver.transport.state for t in self.pc.getTransceivers()}
        return sorted(states)[0] if len(states) == 1 else ("none" if not states else "mixed")

    def prefer(self):
        """The codecs asked for, for all audio that there is."""
        wanted = [name.lower() for name in self.agent.options.codecs.split(",")]
        known = RTCRtpSender.getCapabilities("audio").codecs
        codecs = [codec for name in wanted for codec in known if codec.mimeType.lower() == f"audio/{name}"]
        for transceiver in self.pc.getTransceivers():
            if transceiver.kind == "audio":
                transceiver.setCodecPreferences(codecs)

    def add_media(self, kinds):
        for kind in kinds:
            self.pc.addTrack(self.tone if kind == "audio" else VideoStreamTrack())
        self.prefer()

    def direct(self):
        for transceiver in self.pc.getTransceivers():
            transceiver.direction = "sendonly" if self.is_held else "sendrecv"

    async def offer(self):
        if not self.pc.getTransceivers():
            self.add_media(self.agent.options.offers.split(","))
        self.direct()
        is_first = self.pc.remoteDescription is None
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp = self.agent.dress(self.pc.localDescription.sdp)
        # aiortc numbers its header extensions anew in an offer that comes after one of the other side, which Chromium
        # refuses: "RTP extension ID reassignment not supported".
        sdp = sdp if is_first else re.sub(r"(?m)^a=extmap:.*\r\n", "", sdp)
        if is_first and self.agent.options.mids:
            self.names = dict(zip(names_of(sdp), self.agent.options.mids.split(",")))
        if self.agent.options.no_group:
            sdp = re.sub(r"(?m)^a=group:.*\r\n", "", sdp)
        self.offered = rename(sdp, self.names)
        return self.offered

    async def answer(self, offer):
        if not self.pc.getTransceivers():
            # Before the offer is looked at: the codecs that it wants apply to what is there by then.
            self.add_media(dict.fromkeys(re.findall(r"(?m)^m=(audio|video) (?!0 )", offer)))
        if self.offered and names_of(offer)[:len(names_of(self.offered))] != names_of(self.offered):
            raise ValueError(f"an offer names the streams {names_of(offer)}, not {names_of(self.offered)}")
        own = {said: name for name, said in self.names.items()}
        await self.pc.setRemoteDescription(RTCSessionDescription(rename(offer, own), "offer"))
        self.direct()
        if self.agent.options.setup == "passive":
            for transceiver in self.pc.getTransceivers():
                transport = transceiver.receiver.transport
                if transport._role == "auto":
                    transport._set_role("server")
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return rename(self.agent.dress(self.pc.localDescription.sdp), self.names)

    async def take_answer(self, answer):
        check_names(self.offered, answer)
        own = {said: name for name, said in self.names.items()}
        await self.pc.setRemoteDescription(RTCSessionDescription(rename(answer, own), "answer"))

    def request(self, method, body="", sequence=None, branch=None):
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        self.branch = branch or f"z9hG4bK{uuid.uuid4().hex[:16]}"
        headers = [("Via", f"SIP/2.0/{self.agent.via};branch={self.branch};rport")]
        headers += [("Route", route) for route in self.routes]
        headers += [("From", self.local), ("To", self.remote), ("Call-ID", self.id),
                    ("CSeq", f"{sequence} {method}"), ("Max-Forwards", "70"),
                    ("Contact", f"<{self.agent.contact}>")]
        return Message(f"{method} {self.target} SIP/2.0", headers, body)

    def response(self, code, to, body=""):
        headers = [(name, value) for name, value in to.headers
                   if name.lower() in ("via", "record-route", "from", "to", "call-id", "cseq")]
        if not re.search(r";\s*tag=", to["To"]) and code > 100:
            tag = re.search(r"tag=(.*)", self.local).group(1)
            headers = [(name, f"{value};tag={tag}" if name.lower() == "to" else value) for name, value in headers]
        headers.append(("Contact", f"<{self.agent.contact}>"))
        return Message(f"SIP/2.0 {code} {'OK' if code < 300 else 'No'}", headers, body)

    async def packets(self):
        report = await self.pc.getStats()
        return sum(part.packetsReceived for part in report.values() if part.type == "inbound-rtp")

    async def sent_packets(self):
        report = await self.pc.getStats()
        return sum(part.packetsSent for part in report.values() if part.type == "outbound-rtp")

    def is_up(self):
        return self.state == "answered" and self.pc.connectionState == "connected"

    def talk(self, count, seconds):
        for _ in range(count):
            self.tone.wanted.put_nowait(seconds)

    async def status(self):
        return {
            "call": self.number, "id": self.id, "state": self.state, "code": self.code, "held": self.is_held,
            "ice": self.pc.iceConnectionState, "dtls": self.dtls(), "heard": self.ear.tone(),
            "packets": await self.packets(), "frames": self.eye.frames,
        }

    async def end(self, code=0):
        if self.state == "ended":
            return
        self.state = "ended"
        self.code = code or self.code
        for final in self.finals.values():
            if not final.done():
                final.set_result(None)
        await self.close()

    async def close(self):
        await self.pc.close()


class PlainCall(Call):
    """One dialog with plain RTP."""

    def make_connection(self):
        self.socket, self.peer, self.sent, self.heard, self.talker = None, None, 0, set(), None

    def take_packet(self, data, _):
        if len(data) > 12 and data[1] & 0x7F == 0:
            self.heard.add(data[2:12])

    async def describe(self):
        if not self.socket:
            self.socket, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: Datagrams(self.take_packet), local_addr=(self.agent.address, 0))
        host, port = self.socket.get_extra_info("sockname")
        return (f"v=0\r\no=- {self.number} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
                f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n")

    async def offer(self):
        return await self.describe()

    async def answer(self, offer):
        await self.take_answer(offer)
        return await self.describe()

    async def take_answer(self, answer):
        host = re.search(r"(?m)^c=IN IP4 ([^\r\n]*)", answer).group(1)
        self.peer = (host, int(re.search(r"(?m)^m=audio (\d+) RTP/AVP 0", answer).group(1)))

    async def send_packets(self, count, seconds):
        for _ in range(count):
            await asyncio.sleep(seconds)
            head = bytes([0x80, 0]) + self.sent.to_bytes(2, "big") + (self.sent * FRAME).to_bytes(4, "big")
            self.socket.sendto(head + self.number.to_bytes(4, "big") + b"\x55" * FRAME, self.peer)
            self.sent += 1

    def talk(self, count, seconds):
        self.talker = asyncio.ensure_future(self.send_packets(count, seconds))

    async def packets(self):
        return len(self.heard)

    async def sent_packets(self):
        return self.sent

    def is_up(self):
        return self.state == "answered" and self.peer is not None

    async def status(self):
        return {
            "call": self.number, "id": self.id, "state": self.state, "code": self.code, "held": self.is_held,
            "ice": "none", "dtls": "none", "heard": None, "packets": len(self.heard), "frames": 0,
        }

    async def close(self):
        if self.talker:
            self.talker.cancel()
        if self.socket:
            self.socket.close()


class Agent:
    """The user agent: its transport, its registration, its calls."""

    def __init__(self, options):
        self.options = options
        self.calls = {}
        self.by_id = {}
        self.registration = None
        self.socket = None
        self.address = options.address or "127.0.0.1"
        self.kind = PlainCall if options.plain else Call
        self.work = None  # what goes on behind a command that is answered at once

    async def connect(self):
        proxy = self.options.proxy
        if proxy.startswith("udp:"):
            host, port = proxy[4:].rsplit(":", 1)
            self.peer = (host, int(port))
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: Datagrams(lambda data, _: self.take(data.decode())), local_addr=(self.address, 0))
            own = transport.get_extra_info("sockname")
            self.put = lambda text: transport.sendto(text.encode(), self.peer)
            self.via = f"UDP {own[0]}:{own[1]}"
            self.contact = f"sip:{self.options.name}@{own[0]}:{own[1]}"
        else:
            host = re.search(r"//([^:/]+)", proxy).group(1)
            trust = None
            if proxy.startswith("wss:"):
                trust = ssl.create_default_context()
                trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
            self.socket = await websockets.connect(
                proxy, subprotocols=["sip"], ssl=trust, proxy=None,
                local_addr=(self.address, 0) if self.options.address else None)
            self.put = lambda text: asyncio.ensure_future(self.socket.send(text))
            token = uuid.uuid4().hex[:12]
            # RFC 7118: nobody can connect to a browser, so it has no address.
            self.via = f"{proxy.split(':')[0].upper()} {token}.invalid"
            self.contact = f"sip:{self.options.name}@{token}.invalid;transport=ws"
            asyncio.ensure_future(self.read())
        self.domain = self.options.domain or host
        self.uri = f"sip:{self.options.name}@{self.domain}"

    async def read(self):
        try:
            async for text in self.socket:
                self.take(text if isinstance(text, str) else text.decode())
        except websockets.ConnectionClosed:
            pass
        say("problem", text="the WebSocket was closed")

    def tell(self, event, message, call):
        if not self.options.quiet:
            say(event, what=message.what, call=call and call.number, sdp=message.body)

    def send(self, message, call=None):
        self.tell("sent", message, call)
        self.put(message.text())

    def dress(self, sdp):
        """A description with what the options want otherwise than aiortc writes it."""
        if self.options.case == "lower":
            sdp = re.sub(r"(?m)^(a=fingerprint:\S+ )(.*)$", lambda found: found.group(1) + found.group(2).lower(), sdp)
        if self.options.candidate:
            lines = "".join(f"a=candidate:{text}\r\n" for text in self.options.candidate)
            sdp = re.sub(r"(?m)^a=candidate:.*\r\n", "", sdp)
            sdp = re.sub(r"(?m)^(a=ice-ufrag:)", lambda found: lines + found.group(1), sdp)
        return sdp

    def take(self, text):
        if not text.strip():
            return
        message = Message.parse(text)
        call = self.by_id.get(message["Call-ID"])
        self.tell("received", message, call)
        asyncio.ensure_future(self.guard(self.handle(message, call)))

    async def guard(self, work):
        try:
            await work
        except Exception as error:
            say("problem", text=f"{type(error).__name__}: {error}")

    async def handle(self, message, call):
        if message.status:
            if message.method == "REGISTER":
                if self.registration and not self.registration.done() and message.status >= 200:
                    self.registration.set_result(message.status)
            elif call:
                await self.handle_response(message, call)
            return
        if message.method == "OPTIONS":
            self.send(Call.response(_Stub(self), 200, message))
        elif message.method == "INVITE":
            await self.handle_invite(message, call)
        elif call is None:
            if message.method != "ACK":
                self.send(Call.response(_Stub(self), 481, message))
        elif message.method == "ACK":
            if call.is_late and message.body:
                call.is_late = False
                await call.take_answer(message.body)
        elif message.method == "BYE":
            self.send(call.response(200, message), call)
            await call.end(200)
        elif message.method == "CANCEL":
            self.send(call.response(200, message), call)
            if call.state == "ringing":
                self.send(call.response(487, call.invite), call)
                await call.end(487)
        else:
            self.send(call.response(501, message), call)

    async def handle_invite(self, message, call):
        if call:
            self.send(call.response(100, message), call)
            call.target = uri_of(message["Contact"])
            body = await (call.answer(message.body) if message.body else call.offer())
            call.is_late = not message.body
            self.send(call.response(200, message, body), call)
            return
        number = len(self.calls) + 1
        tag = uuid.uuid4().hex[:10]
        call = self.kind(self, number, message["Call-ID"], f"{message['To']};tag={tag}", message["From"],
                    uri_of(message["Contact"]))
        call.routes = message.routes()
        call.invite, call.state = message, "ringing"
        self.calls[number] = self.by_id[call.id] = call
        self.send(call.response(180, message), call)
        if self.options.auto:
            await self.answer(call)

    async def early(self, call):
        call.early = await call.answer(call.invite.body)
        self.send(call.response(183, call.invite, call.early), call)

    async def answer(self, call):
        offer = call.invite.body
        body = call.early or await (call.answer(offer) if offer else call.offer())
        call.is_late = not offer
        call.state, call.code = "answered", 200
        self.send(call.response(200, call.invite, body), call)

    async def handle_response(self, message, call):
        sequence = message["CSeq"].split()[0]
        if message.method != "INVITE":
            return
        if message.status < 200:
            if message.status > 100 and call.state == "calling":
                call.state = "ringing"
            return
        number = int(sequence)
        if message.status >= 300:
            # The ACK is part of the transaction of the INVITE.
            ack = call.request("ACK", sequence=number, branch=re.search(r"branch=([^;]+)", message["Via"]).group(1))
            ack.headers = [(name, message["To"] if name == "To" else value) for name, value in ack.headers]
            self.send(ack, call)
            call.code = message.status
            if call.state != "answered":
                await call.end(message.status)
        else:
            is_first = call.state != "answered"
            if is_first:
                call.remote = message["To"]
                call.routes = message.routes()[::-1]
            call.target = uri_of(message["Contact"])
            if number in call.finals and not call.finals[number].done():
                body = ""
                if call.is_late:
                    call.is_late = False
                    body = await call.answer(message.body)
                elif message.body:
                    await call.take_answer(message.body)
                call.state, call.code = "answered", message.status
                call.ack = call.request("ACK", body, sequence=number)
            self.send(call.ack, call)
        final = call.finals.get(number)
        if final and not final.done():
            final.set_result(message.status)

    # --- commands ---

    async def register(self, seconds="300"):
        identity = uuid.uuid4().hex
        headers = [("Via", f"SIP/2.0/{self.via};branch=z9hG4bK{uuid.uuid4().hex[:16]};rport"),
                   ("From", f"<{self.uri}>;tag={identity[:8]}"), ("To", f"<{self.uri}>"), ("Call-ID", identity),
                   ("CSeq", "1 REGISTER"), ("Max-Forwards", "70"), ("Contact", f"<{self.contact}>"),
                   ("Expires", seconds)]
        self.registration = asyncio.get_running_loop().create_future()
        self.send(Message(f"REGISTER sip:{self.domain} SIP/2.0", headers))
        status = await asyncio.wait_for(self.registration, 10)
        return {"ok": status == 200, "code": status}

    async def call(self, uri, late=""):
        number = len(self.calls) + 1
        call = self.kind(self, number, f"{uuid.uuid4()}", f"<{self.uri}>;tag={uuid.uuid4().hex[:10]}", f"<{uri}>", uri)
        call.is_caller, call.is_late = True, late == "late"
        self.calls[number] = self.by_id[call.id] = call
        await self.invite(call)
        return {"ok": True, "call": number, "id": call.id}

    async def invite(self, call):
        body = "" if call.is_late else await call.offer()
        call.invite = call.request("INVITE", body)
        final = call.finals[call.sequence] = asyncio.get_running_loop().create_future()
        self.send(call.invite, call)
        return final

    async def change(self, call, is_held):
        call.is_held = is_held
        status = await asyncio.wait_for(await self.invite(call), 10)
        return {"ok": status == 200, "code": status}

    async def bye(self, call):
        if call.state == "answered":
            self.send(call.request("BYE"), call)
            await call.end()
        elif call.is_caller and call.state in ("calling", "ringing"):
            cancel = call.request("CANCEL", sequence=call.sequence,
                                  branch=re.search(r"branch=([^;]+)", call.invite["Via"]).group(1))
            self.send(cancel, call)
        return {"ok": True}

    async def crowd(self, count, uri):
        for _ in range(count):
            call = self.calls[(await self.call(uri))["call"]]
            until = time.monotonic() + 20
            while not call.is_up() and call.state != "ended" and time.monotonic() < until:
                await asyncio.sleep(0.002)
            if not call.is_up():
                say("problem", text=f"call {call.number} has not come up: {await call.status()}")
                return

    async def disperse(self):
        calls = list(self.calls.values())
        # The media first: a browser has closed its connection, too, when its BYE comes.
        for call in calls:
            await call.close()
        await asyncio.sleep(1)
        for call in calls:
            call.state = "ended"
            self.send(call.request("BYE"), call)
            await asyncio.sleep(0.01)

    async def count(self):
        calls = list(self.calls.values())
        heard = [await call.packets() for call in calls]
        return {
            "ok": True, "up": sum(call.is_up() for call in calls),
            "ended": sum(call.state == "ended" for call in calls), "failed": sum(call.code >= 300 for call in calls),
            "sent": sum([await call.sent_packets() for call in calls]),
            "heard": sum(heard), "least": min(heard, default=0), "most": max(heard, default=0),
            "works": self.work is not None and not self.work.done(),
        }

    async def command(self, text):
        name, *words = text.split()
        if name == "crowd":
            self.work = asyncio.ensure_future(self.guard(self.crowd(int(words[0]), words[1])))
            return {"ok": True}
        if name == "disperse":
            self.work = asyncio.ensure_future(self.guard(self.disperse()))
            return {"ok": True}
        if name == "talk":
            for call in self.calls.values():
                if call.is_up():
                    call.talk(int(words[0]), int(words[1]) / 1000)
                    # Not all at the same moment.
                    await asyncio.sleep(int(words[1]) / 1000 / len(self.calls))
            return {"ok": True}
        if name == "count":
            return await self.count()
        if name == "register":
            return await self.register(*words)
        if name == "call":
            return await self.call(*words)
        if name == "calls":
            return {"ok": True, "calls": [await call.status() for call in self.calls.values()]}
        if name == "quit":
            asyncio.get_running_loop().call_later(0.1, sys.exit)
            return {"ok": True}
        call = self.calls[int(words[0])]
        if name == "status":
            return {"ok": True, **await call.status()}
        if name in ("answer", "early"):
            await getattr(self, name)(call)
            return {"ok": True}
        if name == "reject":
            self.send(call.response(int(words[1]), call.invite), call)
            await call.end(int(words[1]))
            return {"ok": True}
        if name in ("hold", "resume"):
            return await self.change(call, name == "hold")
        if name == "tone":
            call.tone.frequency = float(words[1])
            return {"ok": True}
        if name == "bye":
            return await self.bye(call)
        raise ValueError(f"no command {name}")


class _Stub:
    """What a response outside of a call is made of."""

    def __init__(self, agent):
        self.agent, self.local = agent, f";tag={random.randrange(1 << 32):x}"


async def main(options):
    if options.address:
        # Loopback addresses are none that aioice would take by itself.
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [options.address]
    if options.late_ice:
        connect = aioice.ice.Connection.connect

        async def wait_and_connect(connection):
            await asyncio.sleep(options.late_ice)
            await connect(connection)

        aioice.ice.Connection.connect = wait_and_connect
    agent = Agent(options)
    await agent.connect()
    host, port = options.console.rsplit(":", 1)
    console = None

    async def carry_out(text, address):
        try:
            answer = await agent.command(text)
        except Exception as error:
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        console.sendto(json.dumps(answer).encode(), address)

    def command(data, address):
        asyncio.ensure_future(carry_out(data.decode(), address))

    console, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Datagrams(command), local_addr=(host, int(port)))
    say("ready", uri=agent.uri, contact=agent.contact)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--proxy", required=True)
    parser.add_argument("--console", required=True)
    parser.add_argument("--address")
    parser.add_argument("--domain")
    parser.add_argument("--tone", type=float, default=440)
    parser.add_argument("--codecs", default="PCMU,opus")
    parser.add_argument("--auto", action="store_true")
    parser.add_argument("--offers", default="audio")
    parser.add_argument("--bundle", default="balanced")
    parser.add_argument("--setup", default="active")
    parser.add_argument("--case", default="upper")
    parser.add_argument("--mids", default="")
    parser.add_argument("--no-group", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--candidate", action="append", default=[])
    parser.add_argument("--late-ice", type=float, default=0)
    asyncio.run(main(parser.parse_args()))
