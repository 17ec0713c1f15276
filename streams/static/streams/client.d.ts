// Types of client.js: one connection to the server that survives drops. See docs/protocol.md for
// what each frame means.

export const IDLE: "idle";
export const CONNECTING: "connecting";
export const OPEN: "open";
export const WAITING: "waiting";
export const CLOSED: "closed";

export type State = "idle" | "connecting" | "open" | "waiting" | "closed";

/** A JWT, and when it ends, in milliseconds since 1970. */
export interface Token {
  token: string;
  expiresMs: number;
}

/**
 * What a rejected `token` may carry: `terminal` gives up (with `status` as the code), `retryAfterMs`
 * asks for patience.
 */
export interface TokenRefusal extends Error {
  terminal?: boolean;
  status?: number;
  retryAfterMs?: number;
}

/** Details of a state: `welcome` when open; the delay in ms when waiting; the code when closed. */
export interface StateDetail {
  delay?: number;
  code?: number;
  reason?: string;
  detail?: string;
  [name: string]: unknown;
}

/**
 * As much of the browser's WebSocket as the client uses. Messages have `data`, closes have `code`
 * and `reason`; the events' own types differ between browsers and libraries.
 */
export interface SocketLike {
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

export interface User {
  id: string;
  name: string;
}

export interface Author extends User {
  kind: string;
}

export interface Reason {
  rule: string;
  label?: string;
  score?: number;
  /** The characters (code points) of a long text that got the score: from, and up to. */
  passage?: [number, number];
}

/** `reset`: what follows begins anew; forget what you have of the stream. */
export interface Subscribed {
  type: "subscribed";
  stream: string;
  epoch: string;
  offset: number;
  recovered: boolean;
  reset: boolean;
  running: { id: string; user: string; text: string }[];
  assistant: { name: string; trigger: string } | null;
}

export interface Unsubscribed {
  type: "unsubscribed";
  stream: string;
  reason?: "not_found" | "forbidden";
}

export interface Accepted {
  type: "accepted";
  ref: string;
  id: string;
  stream: string;
}

/** A moderator's has scores, models and times, too. */
export interface Verdict {
  type: "verdict";
  ref: string;
  id: string;
  action: "allow" | "flag" | "hold" | "block";
  reasons: Reason[];
  by?: "moderator";
  scores?: Record<string, Record<string, number>>;
  models?: Record<string, string>;
  timing_ms?: Record<string, number>;
  low_confidence?: boolean;
}

export interface Message {
  type: "message";
  stream: string;
  epoch: string;
  offset: number;
  id: string;
  author: Author;
  text: string;
  sent_at: string;
  action?: "allow" | "flag";
  scores?: Record<string, Record<string, number>>;
}

export interface Removed {
  type: "removed";
  stream: string;
  epoch: string;
  offset: number;
  id: string;
  by: "policy" | "moderator" | "author";
}

/** Above 100 users there are no `users`, only the count. */
export interface Presence {
  type: "presence";
  stream: string;
  count: number;
  users?: User[];
}

export interface Joined {
  type: "joined" | "left";
  stream: string;
  user: User;
}

export interface Typing {
  type: "typing";
  stream: string;
  /** The user's id. */
  user: string;
}

export interface Refreshed {
  type: "refreshed";
  expires_at: string;
}

export interface Start {
  type: "start";
  ref: string | null;
  id: string;
  stream: string | null;
  model: string;
  user: string;
}

/** `from`: the Unicode code points before this piece. */
export interface Piece {
  type: "token";
  id: string;
  from: number;
  text: string;
}

export interface Done {
  type: "done";
  id: string;
  ref?: string;
  finish_reason: "stop" | "length" | "cancelled" | "blocked" | "interrupted";
  usage: { prompt_tokens: number; completion_tokens: number };
}

/** `code` is one of the protocol's, or `unconfirmed`: whether the server has it is not known. */
export interface ErrorFrame {
  type: "error";
  code: string;
  detail: string;
  retryable: boolean;
  ref?: string;
  id?: string;
  retry_after_ms?: number;
}

/** Every frame that concerns the caller, each stream frame once and in order. */
export type Frame =
  | Subscribed
  | Unsubscribed
  | Accepted
  | Verdict
  | Message
  | Removed
  | Presence
  | Joined
  | Typing
  | Refreshed
  | Start
  | Piece
  | Done
  | ErrorFrame;

/** Frames that may be lost; whoever must have an answer repeats them. */
export type Sendable =
  | { type: "remove"; stream: string; id: string }
  | { type: "typing"; stream: string }
  | { type: "presence"; stream: string }
  | { type: "cancel"; ref: string }
  | { type: "cancel"; id: string }
  | { type: "resume"; id: string; from: number }
  | {
      type: "generate";
      ref: string;
      messages: { role: "user" | "assistant"; content: string }[];
      stream?: string;
      model?: string;
      max_tokens?: number;
      temperature?: number;
      top_p?: number;
      seed?: number;
      stop?: string | string[];
      on_disconnect?: "continue" | "cancel";
    };

export interface ClientOptions {
  /** Of the WebSocket: `wss://HOST/ws/v1/`. */
  url: string;
  /** Gives a token: a new one where `fresh` is set. */
  token: (fresh: boolean) => Promise<Token>;
  onState: (state: State, detail: StateDetail) => void;
  onFrame: (frame: Frame) => void;
  /** Where there is no global WebSocket, or to put another one in its place. */
  Socket?: new (url: string, protocols: string[]) => SocketLike;
  /** From 0 to below 1, for the jitter. */
  random?: () => number;
}

export class Client {
  constructor(options: ClientOptions);
  state: State;
  /** Starts connecting; also after `close` or a final refusal. */
  connect(): void;
  /** Tries at once, unless the server asked for patience; by itself where network or page return. */
  wake(): void;
  close(): void;
  /** Takes a new token into the connection, once it is open. */
  renew(): void;
  /** Attaches to a stream, now and after every reconnect. */
  subscribe(stream: string): void;
  /** Leaves a stream; what waits to be posted there waits for the next `subscribe`. */
  unsubscribe(stream: string): void;
  /**
   * Sends a message, again after a drop, until it has its verdict or is refused. `sentMs` is when it
   * was first sent, if an earlier page may have done so.
   */
  post(stream: string, text: string, ref: string, sentMs?: number): void;
  /** Asks the assistant, again after a drop, until the answer begins, ends or is refused. */
  ask(stream: string, content: string, ref: string, sentMs?: number): void;
  /** Takes a message or a question back: it is not sent again. */
  withdraw(ref: string): void;
  /** Sends a frame that may be lost; false when it could not be sent. */
  send(frame: Sendable): boolean;
}
