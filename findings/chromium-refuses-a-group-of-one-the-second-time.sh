#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Chromium offers audio and video in one group BUNDLE and takes an answer that has audio alone in the group, video beside it
# (RFC 9143 section 7.3.2). Of its next offer it refuses the answer that says just the same: the offer has put video into
# the group. An answer without any group it takes as often as one likes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
version=156.0.8078.108-1~deb12u1
apt-get -qq download "chromium=$version" "chromium-common=$version"
for package in *.deb; do dpkg -x "$package" .; done
echo "version: $(./usr/lib/chromium/chromium --version)"

# Two connections of one page; what is sent between them has the groups changed, and nothing else.
cat >page.html <<'END'
<!doctype html>
<script>
const said = [];
function withGroup(sdp, names) {
  const bare = sdp.replace(/a=group:BUNDLE.*\r\n/, "");
  return names ? bare.replace("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE " + names + "\r\n") : bare;
}
async function described(connection) {
  await connection.setLocalDescription();
  while (connection.iceGatheringState !== "complete") await new Promise(go => setTimeout(go, 50));
  return connection.localDescription.sdp;
}
async function exchange(caller, callee, names) {
  const offer = await described(caller);
  await callee.setRemoteDescription({ type: "offer", sdp: withGroup(offer) });
  const answer = withGroup(await described(callee), names);
  await caller.setRemoteDescription({ type: "answer", sdp: answer });
  return "offered " + offer.match(/BUNDLE.*/)[0].trim() + ", answer taken";
}
async function run() {
  for (const names of ["0", ""]) {
    const [caller, callee] = [new RTCPeerConnection(), new RTCPeerConnection()];
    for (const kind of ["audio", "video"]) caller.addTransceiver(kind);
    for (const round of [1, 2]) {
      const what = (names ? "group " + names : "no group") + " answered, exchange " + round + ": ";
      try { said.push(what + await exchange(caller, callee, names)); }
      catch (error) { said.push(what + "refused, " + error.message.replace(/.*: /, "")); }
    }
  }
  await fetch("/said", { method: "POST", body: said.join("\n") });
}
run();
</script>
END
python3 - >said <<'END'
import http.server, subprocess, threading
said = []

class Page(http.server.SimpleHTTPRequestHandler):
    def do_POST(self):
        said.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()
        heard.set()

    def log_message(self, *words):
        pass

heard = threading.Event()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
browser = subprocess.Popen(
    ["./usr/lib/chromium/chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=profile",
     f"http://127.0.0.1:{server.server_port}/page.html"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
heard.wait(60)
browser.terminate()
browser.wait(20)
print("".join(said))
END
sed 's/^/  /' said
[ "$(grep -c 'answer taken' said)" -eq 3 ] && grep -q "^group 0 answered, exchange 2: refused, .*mid='1'" said ||
	{ echo "CHANGED: expected that the second answer with a group is refused, and the others are taken" >&2; exit 1; }
echo "as seen"
