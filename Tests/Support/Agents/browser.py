# SPDX-License-Identifier: GPL-2.0-or-later
# A headless Chromium or Firefox with one page, driven through its debugging protocol.
#
# usage: browser.py --url URL --console 127.0.0.1:4000 --profile FOLDER [--trust HASH] [--deny] [--program PATH]
#                   [--port PORT]
#
# --trust: the SHA-256 of the public key of a certificate that Chromium is to trust, in base64; Firefox trusts all. --deny:
# the page may not have the microphone; without, it has one that beeps, and a camera. --program: Firefox where its name is
# in it. --port: where Firefox listens for the debugger.
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
import time

import websockets


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


class Chromium:
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

    async def close(self):
        await self.ask("Browser.close", whole=True)


class Firefox:
    """Firefox, and a WebSocket with WebDriver BiDi."""

    # Media between loopback addresses, its own address in candidates, a microphone and a camera that nobody has to permit.
    settings = {
        "media.peerconnection.ice.loopback": True, "media.peerconnection.ice.obfuscate_host_addresses": False,
        "media.navigator.streams.fake": True, "media.navigator.permission.disabled": True,
        "media.autoplay.default": 0, "media.autoplay.blocking_policy": 0, "network.proxy.type": 0, "browser.shell.checkDefaultBrowser": False,
        "datareporting.policy.dataSubmissionEnabled": False, "toolkit.telemetry.enabled": False,
        "app.update.enabled": False, "remote.active-protocols": 1,
    }

    def __init__(self):
        self.numbers = itertools.count(1)
        self.waiting = {}

    async def start(self, options):
        settings = self.settings | ({"permissions.default.microphone": 2, "permissions.default.camera": 2,
                                     "media.navigator.permission.disabled": False} if options.deny else {})
        with open(f"{options.profile}/user.js", "w") as file:
            file.writelines(f'user_pref("{name}", {json.dumps(value)});\n' for name, value in settings.items())
        nothing = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.DEVNULL)
        # Its clock of all that sounds is the device's: without one nothing is heard or sent.
        sound = f"{options.profile}/sound"
        home = os.environ | {"HOME": options.profile, "XDG_RUNTIME_DIR": options.profile, "PULSE_SERVER": f"unix:{sound}"}
        self.sound = await asyncio.create_subprocess_exec(
            "pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes",
            f"--load=module-native-protocol-unix socket={sound} auth-anonymous=1", "--load=module-null-sink rate=48000",
            env=home, **nothing)
        for _ in range(100):
            if os.path.exists(sound):
                break
            await asyncio.sleep(0.1)
        self.process = await asyncio.create_subprocess_exec(
            options.program, "--headless", "--no-remote", "--profile", options.profile,
            f"--remote-debugging-port={options.port}", "about:blank", env=home, **nothing)
        until = time.monotonic() + 50
        while True:
            try:
                self.socket = await websockets.connect(
                    f"ws://127.0.0.1:{options.port}/session", max_size=1 << 26, proxy=None)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)
        asyncio.ensure_future(self.read())
        await self.ask("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        await self.ask("session.subscribe", events=["log.entryAdded"])
        contexts = (await self.ask("browsingContext.getTree"))["contexts"]
        self.page = contexts[0]["context"]
        await self.ask("browsingContext.navigate", context=self.page, url=options.url, wait="complete")

    async def read(self):
        try:
            async for text in self.socket:
                self.take(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        say("problem", text="the browser has ended")
        self.sound.terminate()
        sys.exit(1)

    def take(self, message):
        waiter = self.waiting.pop(message.get("id"), None)
        if waiter and not waiter.done():
            waiter.set_result(message)
        if message.get("method") == "log.entryAdded":
            entry = message["params"]
            is_failure = entry["type"] == "javascript" and entry["level"] == "error"
            say("problem" if is_failure else "console", text=entry["text"])

    async def ask(self, method, **parameters):
        number = next(self.numbers)
        waiter = self.waiting[number] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        answer = await asyncio.wait_for(waiter, 60)
        if answer["type"] == "error":
            raise RuntimeError(answer["message"])
        return answer["result"]

    async def evaluate(self, expression):
        answer = await self.ask(
            "script.evaluate", expression=expression, target={"context": self.page}, awaitPromise=True,
            userActivation=True)
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    async def screenshot(self, path, width, height, scheme):
        await self.ask("browsingContext.setViewport", context=self.page,
                       viewport={"width": int(width), "height": int(height)})
        picture = await self.ask("browsingContext.captureScreenshot", context=self.page)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    async def close(self):
        await self.ask("browser.close")


class Console(asyncio.DatagramProtocol):
    """Carries out the commands of the datagrams."""

    def __init__(self, browser):
        self.browser = browser

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        asyncio.ensure_future(self.carry_out(data.decode(), address))

    async def command(self, text):
        name, _, rest = text.partition(" ")
        if name == "eval":
            return await self.browser.evaluate(rest)
        if name == "screenshot":
            return await self.browser.screenshot(*rest.split())
        if name == "quit":
            return await self.browser.close()
        raise ValueError(f"no command {name}")

    async def carry_out(self, text, address):
        try:
            answer = {"ok": True, "value": await self.command(text)}
        except Exception as error:
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        self.transport.sendto(json.dumps(answer).encode(), address)


async def main(options):
    browser = Firefox() if "firefox" in options.program else Chromium()
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
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(main(parser.parse_args()))
