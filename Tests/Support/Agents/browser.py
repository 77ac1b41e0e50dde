# SPDX-License-Identifier: GPL-2.0-or-later
# A headless Chromium with one page, driven through its debugging protocol.
#
# usage: browser.py --url URL --console 127.0.0.1:4000 --profile FOLDER [--trust HASH] [--deny] [--program PATH]
#
# --trust: the SHA-256 of the public key of a certificate that it is to trust, in base64. --deny: the page may not have
# the microphone; without, it has one that beeps, and a camera.
#
# Commands come as datagrams to the console, and are answered with JSON, {"ok": true, "value": ...} or {"ok": false,
# "error": ...}:
#
#   eval EXPRESSION                  the value of an expression of JavaScript in the page; promises are awaited
#   screenshot PATH WIDTH HEIGHT light|dark
#   quit
#
# It prints one line of JSON for each event: {"event": "ready"}, and what the page says on its console or fails with,
# {"event": "console" or "problem", "text": ...}.

import argparse
import asyncio
import base64
import itertools
import json
import os
import sys


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


class Browser:
    """Chromium, and the two pipes of its debugging protocol: JSON, each message ended by a zero."""

    def __init__(self):
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.session = None
        self.loaded = asyncio.Event()

    async def start(self, options):
        arguments = [
            options.program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
            "--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-sync",
            "--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage",
            "--use-fake-device-for-media-stream", "--allow-loopback-in-peer-connection",
            f"--user-data-dir={options.profile}",
        ]
        if not options.deny:
            arguments.append("--use-fake-ui-for-media-stream")
        if options.trust:
            arguments.append(f"--ignore-certificate-errors-spki-list={options.trust}")
        (to_child, to_us), (our_end, their_end) = os.pipe(), os.pipe()
        # It reads from descriptor 3 and writes to 4.
        redirect = f'exec "$@" 3<&{to_child} 4>&{their_end}'
        self.process = await asyncio.create_subprocess_exec(
            "sh", "-c", redirect, "sh", *arguments, "about:blank", pass_fds=[to_child, their_end],
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
        os.close(to_child)
        os.close(their_end)
        self.output = os.fdopen(to_us, "wb", buffering=0)
        self.input = asyncio.StreamReader(limit=1 << 26)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self.input), os.fdopen(our_end, "rb", buffering=0))
        asyncio.ensure_future(self.read())
        targets = await self.ask("Target.getTargets", whole=True)
        page = next(one for one in targets["targetInfos"] if one["type"] == "page")
        attached = await self.ask("Target.attachToTarget", whole=True, targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for part in ("Page", "Runtime", "Log"):
            await self.ask(f"{part}.enable")
        await self.ask("Page.navigate", url=options.url)
        await asyncio.wait_for(self.loaded.wait(), 60)

    async def read(self):
        try:
            while True:
                self.take(json.loads((await self.input.readuntil(b"\0"))[:-1]))
        except asyncio.IncompleteReadError:
            say("problem", text="the browser has ended")
            sys.exit(1)

    def take(self, message):
        waiter = self.waiting.pop(message.get("id"), None)
        if waiter and not waiter.done():
            waiter.set_result(message)
        parameters = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self.loaded.set()
            case "Runtime.consoleAPICalled":
                words = (str(one.get("value", one.get("description"))) for one in parameters["args"])
                say("console", text=" ".join(words))
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                say("problem", text=details.get("exception", {}).get("description", details["text"]))
            case "Log.entryAdded":
                say("console", text=parameters["entry"]["text"])

    async def ask(self, method, whole=False, **parameters):
        number = next(self.numbers)
        waiter = self.waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        if self.session and not whole:
            message["sessionId"] = self.session
        self.output.write(json.dumps(message).encode() + b"\0")
        answer = await asyncio.wait_for(waiter, 60)
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]

    async def evaluate(self, expression):
        answer = await self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    async def screenshot(self, path, width, height, scheme):
        await self.ask("Emulation.setDeviceMetricsOverride", width=int(width), height=int(height),
                       deviceScaleFactor=1, mobile=False)
        await self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await asyncio.sleep(0.5)
        picture = await self.ask("Page.captureScreenshot", format="png")
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    async def command(self, text):
        name, _, rest = text.partition(" ")
        if name == "eval":
            return await self.evaluate(rest)
        if name == "screenshot":
            return await self.screenshot(*rest.split())
        if name == "quit":
            return await self.ask("Browser.close", whole=True)
        raise ValueError(f"no command {name}")


class Console(asyncio.DatagramProtocol):
    """Carries out the commands of the datagrams."""

    def __init__(self, browser):
        self.browser = browser

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        asyncio.ensure_future(self.carry_out(data.decode(), address))

    async def carry_out(self, text, address):
        try:
            answer = {"ok": True, "value": await self.browser.command(text)}
        except Exception as error:
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        self.transport.sendto(json.dumps(answer).encode(), address)


async def main(options):
    browser = Browser()
    await browser.start(options)
    host, port = options.console.rsplit(":", 1)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Console(browser), local_addr=(host, int(port)))
    say("ready")
    await browser.process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--console", required=True)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--trust", default="")
    parser.add_argument("--deny", action="store_true")
    parser.add_argument("--program", default="/usr/bin/chromium")
    asyncio.run(main(parser.parse_args()))
