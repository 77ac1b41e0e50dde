# SPDX-License-Identifier: GPL-2.0-or-later
# Makes a call with audio both ways through the Kamailio and the RTPProxy of packaging/containers, and ends it.
#
# usage: call.py
# The addresses are those of examples/engage.cfg: Kamailio and RTPProxy at 192.0.2.1, the PBX at 192.0.2.20, a phone at
# 192.0.2.10. Fails, and says what is wrong, at the first thing that is not as it should be.
import re
import select
import socket
import sys
import time

PROXY, PHONE, PBX = "192.0.2.1", "192.0.2.10", "192.0.2.20"
MEDIA_PORTS = range(20000, 30000)


def bound(address, port=0):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    made.settimeout(5)
    return made


class Message:
    def __init__(self, text):
        head, _, self.body = text.partition("\r\n\r\n")
        self.first, *lines = head.split("\r\n")
        self.headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def all(self, name):
        return [f"{name}: {value}" for found, value in self.headers if found.lower() == name.lower()]

    def one(self, name):
        return self.all(name)[0]


class Agent:
    """One end of the call: a socket for SIP and one for RTP."""

    def __init__(self, address, port):
        self.address = address
        self.sip = bound(address, port)
        self.rtp = bound(address)
        self.contact = f"sip:{address}:{self.sip.getsockname()[1]}"

    def sdp(self):
        port = self.rtp.getsockname()[1]
        own = f"IN IP4 {self.address}"
        return f"v=0\r\no=- 1 1 {own}\r\ns=-\r\nc={own}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"

    def send(self, first, headers, body=""):
        headers = headers + [f"Contact: <{self.contact}>", f"Content-Length: {len(body)}"]
        if body:
            headers.insert(0, "Content-Type: application/sdp")
        self.sip.sendto("\r\n".join([first, *headers, "", body]).encode(), (PROXY, 5060))

    def receive(self, first):
        """The next message that begins so; provisional replies and what is sent again are passed over."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            message = Message(self.sip.recv(65536).decode())
            if message.first.startswith(first):
                return message
            if re.match(r"SIP/2.0 [3-6]", message.first):
                break
        sys.exit(f"{self.address} waits for {first} and has got: {message.first}")


def relay(message, who):
    """Where the description of a message wants audio: at the relay, on one of its ports."""
    address = re.search(r"^c=IN IP4 (\S+)", message.body, re.M)[1]
    port = int(re.search(r"^m=audio (\d+)", message.body, re.M)[1])
    if address != PROXY or port not in MEDIA_PORTS:
        sys.exit(f"{who} is told to send audio to {address}:{port}, not to RTPProxy")
    return address, port


def heard(speaker, to, listener, by):
    """How many of twenty packets arrive, if they come from where the listener sends its own."""
    for number in range(20):
        speaker.rtp.sendto(b"\x80\x00" + number.to_bytes(2, "big") + bytes(8) + b"\xd5" * 160, to)
        time.sleep(0.02)
    count = 0
    while select.select([listener.rtp], [], [], 0.3)[0]:
        packet, source = listener.rtp.recvfrom(2048)
        count += source == by and len(packet) == 172
    return count


phone, pbx = Agent(PHONE, 5062), Agent(PBX, 5060)
dialog = [f"From: <sip:phone@{PHONE}>;tag=phone", "Call-ID: container-call", "Max-Forwards: 70"]


def via(branch):
    return f"Via: SIP/2.0/UDP {PHONE}:5062;branch=z9hG4bK{branch}"


to = f"To: <sip:100@{PROXY}>"
phone.send(f"INVITE sip:100@{PROXY} SIP/2.0", [via("1"), to, "CSeq: 1 INVITE"] + dialog, phone.sdp())
invite = pbx.receive("INVITE")
towards_phone = relay(invite, "the PBX")
route = invite.all("Record-Route")
copied = invite.all("Via") + route + [invite.one(name) for name in ("From", "Call-ID", "CSeq")]
pbx.send("SIP/2.0 200 OK", copied + [invite.one("To") + ";tag=pbx"], pbx.sdp())
answer = phone.receive("SIP/2.0 200")
towards_pbx = relay(answer, "the phone")
if not route or answer.all("Record-Route") != route:
    sys.exit("Kamailio does not stay in the dialog")
routes = [line.replace("Record-Route", "Route", 1) for line in route]
phone.send(f"ACK {pbx.contact} SIP/2.0", [via("2"), answer.one("To"), "CSeq: 1 ACK"] + routes + dialog)
pbx.receive("ACK")

# The first packets tell RTPProxy where each side is.
heard(phone, towards_pbx, pbx, towards_phone)
for name, count in (
    ("the phone", heard(pbx, towards_phone, phone, towards_pbx)),
    ("the PBX", heard(phone, towards_pbx, pbx, towards_phone)),
):
    if count < 18:
        sys.exit(f"{name} hears {count} of 20 packets")

phone.send(f"BYE {pbx.contact} SIP/2.0", [via("3"), answer.one("To"), "CSeq: 2 BYE"] + routes + dialog)
bye = pbx.receive("BYE")
pbx.send("SIP/2.0 200 OK", bye.all("Via") + [bye.one(name) for name in ("From", "To", "Call-ID", "CSeq")])
phone.receive("SIP/2.0 200")
end = time.monotonic() + 5
while heard(phone, towards_pbx, pbx, towards_phone):
    if time.monotonic() > end:
        sys.exit("RTPProxy still has the call")
