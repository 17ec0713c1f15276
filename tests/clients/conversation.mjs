// A conversation with a server by the package's own name, on Node's WebSocket:
// `node conversation.mjs WS_URL`, with a token on standard input. Prints JSON of what was heard. It
// drops its connection after the first message, and ends when it was refreshed, too.

import { text } from "node:stream/consumers";
import { Client } from "rtai-client";

const token = (await text(process.stdin)).trim();
const heard = { states: [], types: [], texts: [], verdicts: {} };
let dropped = false;

class Socket extends WebSocket {
  static last = null;

  constructor(...asked) {
    super(...asked);
    Socket.last = this;
  }
}

function take(frame) {
  heard.types.push(frame.type);
  if (frame.type === "verdict") heard.verdicts[frame.ref] = frame.action;
  if (frame.type === "message") heard.texts.push(frame.text);
  if (heard.texts.length === 1 && !dropped) {
    dropped = true;
    Socket.last.close(); // The client has to come back by itself.
    client.post("lobby", "How are you today?", "second");
  }
  const judged = Object.keys(heard.verdicts).length; // A verdict may come again after the drop.
  if (heard.texts.length === 2 && judged === 2 && heard.types.includes("refreshed")) {
    client.close();
    process.stdout.write(JSON.stringify(heard), () => process.exit(0));
  }
}

const client = new Client({
  url: process.argv[2],
  // So near its end, a token is refreshed after five seconds.
  token: async () => ({ token, expiresMs: Date.now() + 65_000 }),
  onState: (state) => heard.states.push(state),
  onFrame: take,
  Socket,
});
client.subscribe("lobby");
client.post("lobby", "Good morning, everybody.", "first");
client.connect();
