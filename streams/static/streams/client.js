// The wire: one connection to the server that survives drops without losing or doubling a message.
//
//   idle → connecting → open → waiting → connecting → …          (closed only by `close` or for good)
//
// The caller gives `token(fresh)`, a promise of {token, expiresMs}. A rejection may carry
// `terminal` (give up) or `retryAfterMs`. The caller hears of states by `onState(state, detail)` and
// of every frame that concerns it by `onFrame(frame)`, each stream frame once and in order.

import { afterClose, backoff, FIRST_DELAY_MS } from "./backoff.js";
import { GAP, NEXT, Place } from "./place.js";
import { Waking } from "./waking.js";

export const IDLE = "idle";
export const CONNECTING = "connecting";
export const OPEN = "open";
export const WAITING = "waiting";
export const CLOSED = "closed";

const STABLE_MS = 5_000;
const ANSWER_MS = 10_000;
const REF_LIFE_MS = 270_000; // The server knows a `ref` for 5 minutes; later it would post twice.
const REFRESH_BEFORE_MS = 60_000;
const RETURNING = 4000; // To the server a close by 4000 to 4499 is no farewell.
const ANSWERS = ["verdict", "error", "start", "done"]; // With their `ref`, a frame is answered.

export class Client {
  #url;
  #token;
  #Socket;
  #random;
  #onState;
  #onFrame;
  #socket = null;
  #turn = 0; // Rises with every attempt, so that events of an older one are told apart.
  #failures = 0;
  #stale = false; // The next attempt needs a fresh token.
  #renews = false; // The token was out of date before its connection opened.
  #secondChance = true; // One fresh token after 4500, until a connection has opened.
  #openedMs = 0;
  #heardMs = 0;
  #silenceMs = ANSWER_MS;
  #heldUntilMs = 0; // The server asked not to come back before.
  #timers = {};
  #waking = new Waking(() => this.wake());
  #streams = new Map(); // name → Place
  #outbox = new Map(); // ref → {frame, sentMs, turn}

  constructor({ url, token, onState, onFrame, Socket = WebSocket, random = Math.random }) {
    this.#url = url;
    this.#token = token;
    this.#Socket = Socket;
    this.#random = random;
    this.#onState = onState;
    this.#onFrame = onFrame;
    this.state = IDLE;
  }

  // Starts connecting; also after `close` or a final refusal.
  connect() {
    if (this.state === CONNECTING || this.state === OPEN) return;
    this.#secondChance = true;
    this.#waking.start();
    this.#begin();
  }

  // Tries at once, unless the server asked for patience; done by itself where the network or the
  // page comes back.
  wake() {
    if (this.state === WAITING && Date.now() >= this.#heldUntilMs) this.#begin();
    else if (this.state === OPEN && this.#isSilent()) this.#lost(1006, "");
  }

  close() {
    this.#drop(1000);
    this.#set(CLOSED, { code: 1000 });
  }

  // Takes a new token into the connection, once it is open: the visitor changed its name.
  renew() {
    if (this.state === OPEN) this.#refresh();
    else if (this.state === CONNECTING) this.#renews = true;
  }

  subscribe(stream) {
    this.#streams.set(stream, new Place());
    if (this.state === OPEN) this.#subscribe(stream);
  }

  // Leaves a stream; what waits to be posted there waits for the next `subscribe`.
  unsubscribe(stream) {
    if (this.#streams.delete(stream)) this.send({ type: "unsubscribe", stream });
  }

  // Puts a message into the outbox; it stays there, and is sent again, until it has its verdict.
  // `sentMs` is when it was first sent, if an earlier page may have done so.
  post(stream, text, ref, sentMs = 0) {
    const entry = { frame: { type: "message", stream, ref, text }, sentMs, turn: 0 };
    this.#outbox.set(ref, entry);
    this.#flush(stream);
  }

  // Asks the assistant; asked again after a drop until the answer begins, ends or is refused.
  ask(stream, content, ref, sentMs = 0) {
    const messages = [{ role: "user", content }];
    this.#outbox.set(ref, { frame: { type: "generate", stream, ref, messages }, sentMs, turn: 0 });
    this.#flush(stream);
  }

  // Takes a message or a question back: it is not sent again.
  withdraw(ref) {
    this.#outbox.delete(ref);
  }

  // Sends a frame that may be lost, such as `typing`; false when it could not be sent.
  send(frame) {
    if (this.state !== OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #set(state, detail = {}) {
    this.state = state;
    if (state === CLOSED) this.#waking.stop();
    this.#onState(state, detail);
  }

  #after(name, ms, act) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(act, Math.min(ms, 2 ** 31 - 1));
  }

  async #begin() {
    const turn = ++this.#turn;
    clearTimeout(this.#timers.retry);
    this.#set(CONNECTING);
    try {
      const found = await this.#token(this.#stale);
      if (turn === this.#turn) this.#dial(turn, found);
    } catch (error) {
      if (turn === this.#turn) this.#refused(Object(error));
    }
  }

  #refused({ terminal, status = 0, message = "", retryAfterMs = 0 }) {
    if (terminal) {
      this.#drop(1000);
      this.#set(CLOSED, { code: status, detail: message });
    } else {
      this.#wait(retryAfterMs);
    }
  }

  #dial(turn, { token, expiresMs }) {
    const socket = new this.#Socket(this.#url, ["rtai.v1", `rtai.token.${token}`]);
    this.#stale = false;
    this.#heardMs = Date.now();
    this.#silenceMs = ANSWER_MS;
    const mine = (act) => (event) => turn === this.#turn && act(event);
    this.#socket = socket;
    socket.onmessage = mine((event) => this.#heard(event.data));
    socket.onclose = mine((event) => this.#lost(event.code, event.reason));
    this.#watch();
    this.#refreshAt(expiresMs);
  }

  // A connection that says nothing is taken for dead: before `welcome` and, later, without pings.
  #watch() {
    this.#after("silence", this.#silenceMs, () => {
      if (this.#isSilent()) this.#lost(1006, "");
      else this.#watch();
    });
  }

  #isSilent() {
    return Date.now() - this.#heardMs >= this.#silenceMs;
  }

  #refreshAt(expiresMs) {
    const left = expiresMs - Date.now() - REFRESH_BEFORE_MS * (1 + this.#random() / 2);
    this.#after("refresh", Math.max(5_000, left || 0), () => this.#refresh());
  }

  async #refresh() {
    const turn = this.#turn;
    try {
      const found = await this.#token(true);
      if (turn !== this.#turn) return;
      this.send({ type: "refresh", token: found.token });
      this.#refreshAt(found.expiresMs);
    } catch (error) {
      const delay = Math.max(5_000, error?.retryAfterMs || 0) + this.#random() * 5_000;
      if (turn === this.#turn) this.#after("refresh", delay, () => this.#refresh());
    }
  }

  #drop(code) {
    this.#turn += 1;
    Object.values(this.#timers).forEach(clearTimeout);
    if (this.#socket) this.#socket.close(code);
    this.#socket = null;
    for (const each of this.#streams.values()) each.live = false;
  }

  #lost(code, reason) {
    const asked = afterClose(code, reason);
    const opened = this.#openedMs;
    this.#drop(RETURNING);
    this.#openedMs = 0;
    if (opened && Date.now() - opened >= STABLE_MS) this.#failures = 0;
    // Browsers do not show why a handshake was refused: the second time, the token is suspect.
    this.#stale = asked.fresh || (!opened && this.#failures > 0);
    if (asked.terminal && !(code === 4500 && this.#secondChance)) {
      this.#set(CLOSED, { code, reason });
      return;
    }
    if (code === 4500) this.#secondChance = false;
    this.#wait(asked.retryAfterMs, code);
  }

  #wait(retryAfterMs, code = 0) {
    this.#failures += 1;
    // The server asks many clients for the same patience; each takes some of its own.
    const patience = Math.max(0, retryAfterMs - FIRST_DELAY_MS);
    const delay = patience + backoff(this.#failures, this.#random);
    this.#heldUntilMs = Date.now() + retryAfterMs;
    this.#after("retry", delay, () => this.#begin());
    this.#set(WAITING, { delay, code });
  }

  #heard(data) {
    this.#heardMs = Date.now();
    for (const line of data.split("\n")) if (line) this.#take(JSON.parse(line));
  }

  #take(frame) {
    if (frame.type === "ping") this.send({ type: "pong" });
    else if (frame.type === "welcome") this.#welcome(frame);
    else if (frame.type === "subscribed") this.#subscribed(frame);
    else if (!frame.offset || this.#isNext(frame)) this.#deliver(frame);
    if (frame.type === "error" && frame.retryable && !frame.ref && !frame.id) {
      this.#askAgain(frame.retry_after_ms || FIRST_DELAY_MS);
    }
    if (frame.type === "unsubscribed" && frame.reason) this.#withdrawn(frame.stream);
  }

  #deliver(frame) {
    if (ANSWERS.includes(frame.type)) this.#outbox.delete(frame.ref);
    this.#onFrame(frame);
  }

  #welcome(frame) {
    this.#openedMs = Date.now();
    this.#silenceMs = (frame.heartbeat_s || 25) * 1_000 + ANSWER_MS;
    this.#watch();
    this.#set(OPEN, frame);
    for (const stream of this.#streams.keys()) this.#subscribe(stream);
    if (this.#renews) this.#refresh();
    this.#renews = false;
  }

  #subscribe(stream) {
    this.send({ type: "subscribe", stream, ...this.#streams.get(stream).ask() });
    this.#askAgain(ANSWER_MS);
  }

  // A subscription that was refused for now, or lost, is asked for again.
  #askAgain(ms) {
    this.#after("answer", ms, () => {
      for (const [stream, at] of this.#streams) if (!at.live) this.#subscribe(stream);
    });
  }

  // The stream was switched off, and may come back. All its clients hear of that at once, so each
  // takes its own time.
  #withdrawn(stream) {
    const at = this.#streams.get(stream);
    if (!at) return;
    at.live = false;
    this.#askAgain(ANSWER_MS * (0.5 + this.#random() / 2));
  }

  #subscribed(frame) {
    const answer = this.#streams.get(frame.stream)?.answered(frame);
    if (answer === undefined) return;
    if (!answer) {
      this.#subscribe(frame.stream);
      return;
    }
    this.#onFrame({ ...frame, ...answer });
    this.#secondChance = true;
    this.#flush(frame.stream);
  }

  // Drops what was seen; asks for what is missing between two frames.
  #isNext(frame) {
    const step = this.#streams.get(frame.stream)?.take(frame);
    if (step === GAP) this.#subscribe(frame.stream);
    return step === NEXT;
  }

  #flush(stream) {
    if (this.state !== OPEN || !this.#streams.get(stream)?.live) return;
    for (const [ref, entry] of this.#outbox) {
      if (entry.frame.stream !== stream || entry.turn === this.#turn) continue;
      if (entry.sentMs && Date.now() - entry.sentMs > REF_LIFE_MS) this.#giveUp(ref);
      else this.#put(entry);
    }
  }

  #put(entry) {
    entry.turn = this.#turn;
    entry.sentMs ||= Date.now();
    this.send(entry.frame);
  }

  #giveUp(ref) {
    this.#deliver({ type: "error", ref, code: "unconfirmed", detail: "", retryable: true });
  }
}
