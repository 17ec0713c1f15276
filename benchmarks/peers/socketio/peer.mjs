// Socket.IO with its Redis adapter, as its documentation sets it up, for fan-out and idle memory.
//
//   node peer.mjs serve SOCKET PORT ADAPTER DEFLATE
//   node peer.mjs publish SOCKET ADAPTER RATE COUNT START SIZE
//
// ADAPTER is `classic` or `sharded`, DEFLATE is `deflate` or `plain`. START is the time of the
// first message on the machine's monotonic clock, in seconds: the load generator's clock.

import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const ROOM = "lobby";
const OFFSET = "offset";
const [what, socket, ...rest] = process.argv.slice(2);

async function connected() {
  const client = createClient({ socket: { path: socket } });
  return client.connect();
}

async function adapter(kind) {
  const [publishing, listening] = [await connected(), await connected()];
  const create = kind === "sharded" ? createShardedAdapter : createAdapter;
  return create(publishing, listening);
}

async function serve(port, kind, deflate) {
  const http = createServer();
  const io = new Server(http, {
    adapter: await adapter(kind),
    transports: ["websocket"],
    perMessageDeflate: deflate === "deflate",
    serveClient: false,
  });
  io.on("connection", (client) => client.join(ROOM));
  http.listen(Number(port), "127.0.0.1", 4_096);
}

const now = () => Number(process.hrtime.bigint()) / 1e9;

// Emits from another process, as a worker would; the latency counts from the intended time.
async function publish(kind, rate, count, start, size) {
  const io = new Server({ adapter: await adapter(kind), serveClient: false });
  const counter = await connected();
  for (let number = 0; number < count; number += 1) {
    const intended = start + number / rate;
    if (intended > now()) await sleep((intended - now()) * 1_000);
    const text = `t${Math.floor(intended * 1e6)} `.padEnd(size, "x");
    io.to(ROOM).emit("message", { offset: await counter.incr(OFFSET), text });
  }
  await sleep(500); // What was emitted is on its way to Redis.
  process.exit(0);
}

if (what === "serve") await serve(...rest);
else await publish(rest[0], ...rest.slice(1).map(Number));
