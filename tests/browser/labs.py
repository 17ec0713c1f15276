"""The widget's client in a blank page, with fake sockets and time in the test's hands."""

import json
from typing import Any

from playwright.sync_api import Page

SOCKET = """class FakeSocket {
  constructor(url, protocols) {
    if (protocols[1].includes(" ")) throw new SyntaxError(protocols[1]); // As a real one does.
    Object.assign(this, { url, protocols, sent: [], closed: null });
    lab.sockets.push(this);
  }
  send(text) { this.sent.push(JSON.parse(text)); }
  close(code) { this.closed = code; }
  say(...frames) {
    this.onmessage({ data: frames.map((each) => JSON.stringify(each)).join("\\n") });
  }
  drop(code = 1006, reason = "") { this.onclose({ code, reason }); }
}"""
FAKE = """async ([options]) => {
  SOCKET
  const module = { ...(await import("./client.js")), ...(await import("./backoff.js")) };
  const lab = window.lab = { sockets: [], states: [], frames: [], tokens: [], module };
  lab.answer = async () => ({ token: `t${lab.tokens.length}`, expiresMs: Date.now() + 600_000 });
  lab.client = new module.Client({
    url: "ws://lab.test/ws/v1/",
    token: (fresh) => { lab.tokens.push(fresh); return lab.answer(fresh); },
    onState: (state, detail) => lab.states.push([state, detail]),
    onFrame: (frame) => lab.frames.push(frame),
    Socket: FakeSocket,
    random: () => options.random ?? 0.5,
  });
}""".replace("SOCKET", SOCKET, 1)
WELCOME = {"type": "welcome", "session": "s", "heartbeat_s": 25}


class Lab:
    """Drives one client over fake sockets."""

    def __init__(self, page: Page, random: float = 0.5) -> None:
        self.page = page
        page.evaluate(FAKE, [{"random": random}])

    def do(self, script: str, value: Any = None) -> Any:
        """Runs JavaScript in which `lab`, `client`, `socket` (the last one) and `value` exist."""
        return self.page.evaluate(
            "async (value) => { const { client } = lab; const socket = lab.sockets.at(-1);"
            f"const found = await ({script}); return found === undefined ? null : found; }}",
            value,
        )

    def say(self, *frames: dict[str, Any]) -> None:
        """The server says these frames in one go."""
        self.do("socket.say(...value)", list(frames))

    def drop(self, code: int = 1006, **reason: Any) -> None:
        """The connection ends with this code."""
        self.do("socket.drop(...value)", [code, json.dumps(reason) if reason else ""])

    def open(self) -> None:
        """Connects, subscribes to `lobby` and is answered."""
        self.do("(client.subscribe('lobby'), client.connect())")
        self.greet()

    def greet(self, recovered: bool = False, offset: int = 0, epoch: str = "e") -> None:
        """The server welcomes the client and takes its subscription."""
        self.say(WELCOME)
        self.subscribed(recovered, offset, epoch)

    def subscribed(self, recovered: bool = False, offset: int = 0, epoch: str = "e") -> None:
        """The server takes a subscription."""
        at = {"stream": "lobby", "epoch": epoch, "offset": offset, "recovered": recovered}
        self.say({"type": "subscribed", **at})

    def pass_ms(self, milliseconds: int) -> None:
        """Time passes."""
        self.page.clock.run_for(milliseconds)

    @property
    def state(self) -> str:
        """The client's state."""
        return str(self.do("client.state"))

    @property
    def sockets(self) -> int:
        """How many connections were tried."""
        return int(self.do("lab.sockets.length"))

    def sent(self, kind: str = "") -> list[dict[str, Any]]:
        """Frames of a kind that the last connection carried."""
        found: list[dict[str, Any]] = self.do("socket.sent")
        return [each for each in found if not kind or each["type"] == kind]

    def frames(self, kind: str) -> list[dict[str, Any]]:
        """Frames of a kind that came out of the client."""
        found: list[dict[str, Any]] = self.do("lab.frames")
        return [each for each in found if each["type"] == kind]
