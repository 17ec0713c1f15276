// The embedded chat: a panel of its own style on anybody's page, made from one script tag.

import { Answers } from "./answers.js";
import { Client, OPEN } from "./client.js";
import { Composer } from "./composer.js";
import { Log } from "./log.js";
import { NameTag } from "./nametag.js";
import { make } from "./parts.js";
import { Standing } from "./standing.js";
import { STYLE } from "./style.js";
import { Thread } from "./thread.js";
import { openStore, readStored, Visitor } from "./visitor.js";
import { noteText, WORDS } from "./words.js";

const TYPING_LASTS_MS = 5_000;

function newRef() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}

export class Widget {
  #stream;
  #options;
  #store;
  #key;
  #visitor;
  #thread;
  #answers;
  #assistant = null;
  #client;
  #log;
  #composer;
  #standing;
  #status = make("div", { class: "away", role: "status" });
  #typing = make("div", { class: "typing", dir: "auto" });
  #typists = new Map(); // user id → timer
  #drawing = 0;

  constructor(host, options) {
    this.#options = options;
    this.#stream = options.stream || "lobby";
    this.#store = openStore();
    this.#key = `rtai:${host}:${options.site}:${this.#stream}`;
    this.#visitor = new Visitor(host, options, this.#store);
    this.#thread = new Thread(() => this.#visitor.sub);
    this.#answers = new Answers(this.#thread);
    this.#standing = new Standing({
      told: (text, isOver) => this.#told(text, isOver),
      again: () => this.#tryAgain(),
    });
    this.#client = new Client({
      url: `${host.replace(/^http/, "ws")}/ws/v1/`,
      token: (fresh) => this.#visitor.get(fresh),
      onState: (state, detail) => this.#standing.changed(state, detail),
      onFrame: (frame) => this.#arrived(frame),
    });
    this.element = make("div", { class: "rtai-widget", "data-theme": options.theme || "auto" });
    this.#build(this.element.attachShadow({ mode: "open" }));
    this.#restore();
    this.#listen();
  }

  start() {
    this.#client.subscribe(this.#stream);
    this.#client.connect();
    this.#draw();
  }

  #build(root) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const name = this.#stream.replace(/[-_.:]+/g, " ");
    const title = this.#options.title || name[0].toUpperCase() + name.slice(1);
    const tag = new NameTag(this.#visitor.name, (chosen) => this.#rename(chosen));
    tag.button.hidden = this.#visitor.isKnown;
    const edit = (each) => this.#edit(each);
    const again = (each) => this.#again(each);
    const stops = (each) => each.own || this.#visitor.moderates;
    this.#log = new Log({ edit, again, stop: (each) => this.#stop(each), stops });
    this.#composer = new Composer(this.#options.placeholder || WORDS.write, {
      send: (text) => this.#post(text),
      ask: (text) => this.#ask(text),
      typing: () => this.#client.send({ type: "typing", stream: this.#stream }),
      change: () => this.#keep(),
    });
    const { word, banner } = this.#standing;
    const head = make("header", {}, make("h2", { dir: "auto" }, title), word, tag.button);
    const { list, empty, newer } = this.#log;
    const foot = make("div", { class: "foot" }, newer, this.#typing, ...this.#composer.elements);
    const parts = [head, tag.form, banner, list, empty, this.#status, foot];
    root.append(make("section", { class: "panel", "aria-label": title }, ...parts));
  }

  #listen() {
    window.addEventListener("offline", () => this.#standing.tell());
    this.element.addEventListener("rtai:fill", (event) => this.#composer.fill(String(event.detail)));
  }

  // Writing.

  #post(text, asks = false) {
    const ref = newRef();
    Object.assign(this.#thread.post(ref, text, this.#visitor.author, Date.now()), { asks });
    this.#client.post(this.#stream, text, ref);
    this.#keep();
    this.#drawNow();
    this.#log.toBottom();
  }

  // A question is a message like any other. Its answer is asked for when others may see it, unless
  // the server does that by itself, for it calls the assistant by name.
  #ask(text) {
    const { name, trigger } = this.#assistant;
    const called = text.toLowerCase().includes(`@${name.toLowerCase()}`);
    this.#post(text, trigger !== "mention" || !called);
  }

  #askNow(question) {
    const ref = newRef();
    Object.assign(this.#answers.ask(ref, Date.now()), { question });
    this.#client.ask(this.#stream, question, ref);
  }

  // The questions that are published by now.
  #askWaiting() {
    for (const each of this.#thread.entries.filter((each) => each.asks && each.status === "sent")) {
      each.asks = false;
      this.#askNow(each.text);
    }
  }

  // Before its answer begins a question is taken back, or the next connection would ask it again.
  #stop({ id, ref, status }) {
    this.#client.send({ type: "cancel", ...(id ? { id } : { ref }) });
    if (status === "waiting") {
      this.#client.withdraw(ref);
      this.#arrived({ type: "done", ref, finish_reason: "cancelled" });
    }
    this.#log.list.focus(); // The button is about to go.
  }

  #edit(entry) {
    this.#forget(entry);
    this.#composer.fill([entry.text, this.#composer.value].filter(Boolean).join("\n"));
  }

  #again(entry) {
    const { entries } = this.#thread;
    const asked = entries.slice(0, entries.indexOf(entry)).findLast((each) => each.mine);
    const question = entry.question || asked?.text;
    if (!entry.offset) this.#forget(entry);
    if (entry.own === undefined) this.#post(entry.text, entry.asks);
    else if (question) this.#askNow(question);
    this.#composer.box.focus();
  }

  #forget(entry) {
    this.#thread.drop((each) => each === entry);
    this.#draw();
  }

  #rename(name) {
    this.#visitor.rename(name);
    this.#client.renew();
  }

  // What a reload of the page must not lose: the draft, and what nobody else has.

  #keep() {
    const held = { draft: this.#composer.value, mine: this.#thread.unpublished() };
    this.#store.setItem(this.#key, JSON.stringify(held));
  }

  #restore() {
    const { draft = "", mine = [] } = readStored(this.#store, this.#key, {});
    this.#composer.value = draft;
    for (const each of mine) {
      this.#thread.entries.push(each);
      if (each.status === "pending") this.#client.post(this.#stream, each.text, each.ref, each.at);
      if (each.status === "waiting") this.#client.ask(this.#stream, each.question, each.ref, each.at);
    }
  }

  // Hearing.

  #arrived(frame) {
    if (frame.stream && frame.stream !== this.#stream) return;
    if (frame.type === "subscribed") this.#subscribed(frame);
    else if (frame.type === "typing") this.#someoneTypes(frame.user);
    else if (this.#answered(frame) || this.#thread.apply(frame)) this.#changed(frame);
    else if (["unsubscribed", "error"].includes(frame.type)) this.#standing.refused(frame);
  }

  #answered(frame) {
    const answer = this.#answers.apply(frame);
    if (answer && frame.type === "start" && !this.#log.isAtBottom) this.#log.unread += 1;
    if (answer && (frame.type === "done" || frame.type === "error")) {
      const said = answer.text && `${answer.author.name}: ${answer.text}`;
      const note = answer.status !== "sent" && noteText(answer);
      this.#status.textContent = [said, note].filter(Boolean).join(" ");
    }
    return answer;
  }

  #subscribed(frame) {
    this.#standing.attached();
    if (frame.reset) this.#thread.reset();
    this.#thread.horizon = frame.offset;
    this.#assistant = this.#composer.assistant = frame.assistant;
    this.#answers.name = frame.assistant?.name || "";
    for (const { id, count } of this.#answers.sync(frame.running)) {
      this.#client.send({ type: "resume", id, from: count });
    }
    this.#log.settle();
    this.#draw();
  }

  #changed(frame) {
    if (frame.type === "verdict" || frame.type === "error") this.#announce(frame.ref);
    if (frame.type === "message") this.#someoneWrote(frame.author);
    this.#askWaiting();
    if (frame.type !== "token") this.#keep();
    this.#draw();
  }

  #announce(ref) {
    const entry = this.#thread.entries.find((each) => each.ref === ref);
    if (entry) this.#status.textContent = noteText(entry);
  }

  #someoneWrote({ id, kind }) {
    this.#stopsTyping(id);
    const news = id !== this.#visitor.sub && kind !== "assistant";
    if (news && !this.#log.isAtBottom) this.#log.unread += 1;
  }

  #someoneTypes(id) {
    if (id === this.#visitor.sub) return;
    clearTimeout(this.#typists.get(id));
    this.#typists.set(id, setTimeout(() => this.#stopsTyping(id), TYPING_LASTS_MS));
    this.#drawTyping();
  }

  #stopsTyping(id) {
    clearTimeout(this.#typists.get(id));
    this.#typists.delete(id);
    this.#drawTyping();
  }

  #drawTyping() {
    const known = (id) => this.#thread.entries.findLast((each) => each.author.id === id);
    const names = [...this.#typists.keys()].map((id) => known(id)?.author.name || WORDS.someone);
    this.#typing.textContent = WORDS.typing(names);
  }

  // The connection.

  #told(text, isOver) {
    this.#composer.box.disabled = isOver;
    if (text) this.#status.textContent = text;
  }

  #tryAgain() {
    if (this.#client.state === OPEN) this.#client.subscribe(this.#stream);
    else this.#client.connect();
  }

  // Drawing.

  #draw() {
    this.#drawing ||= requestAnimationFrame(() => this.#drawNow());
  }

  #drawNow() {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = 0;
    const { entries } = this.#thread;
    this.#log.draw(entries);
    // The time to wait is told by the second.
    const waits = entries.some((each) => each.error?.retryAt > Date.now());
    if (waits) setTimeout(() => this.#draw(), 1_000);
  }
}

// Puts a panel where the script stands, or into the element that `data-target` names.
export function boot(script) {
  const options = { ...script.dataset };
  const widget = new Widget(new URL(script.src).origin, options);
  const place = () => {
    const target = options.target && document.querySelector(options.target);
    if (target) target.append(widget.element);
    else if (script.closest("body")) script.after(widget.element);
    else document.body.append(widget.element);
    widget.start();
  };
  const early = options.target || !document.body;
  if (early && document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", place, { once: true });
  } else {
    place();
  }
}
