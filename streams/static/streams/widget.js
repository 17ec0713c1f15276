// The embedded chat: a panel of its own style on anybody's page, made from one script tag.

import { Client, CLOSED, OPEN, WAITING } from "./client.js";
import { hue, icon, initials, make, messageItem } from "./parts.js";
import { STYLE } from "./style.js";
import { Thread } from "./thread.js";
import { openStore, readStored, Visitor } from "./visitor.js";
import { WORDS } from "./words.js";

const LONGEST_TEXT = 10_000;
const LONGEST_NAME = 40;
const TYPING_EVERY_MS = 3_000;
const TYPING_LASTS_MS = 5_000;
const PATIENCE_MS = 2_000; // A drop shorter than this is not worth a banner.
const NEAR_BOTTOM_PX = 60;
const SAME_AUTHOR_MS = 180_000;

const length = (text) => [...text].length;

function newRef() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}

export class Widget {
  #stream;
  #options;
  #store;
  #draftKey;
  #visitor;
  #thread;
  #client;
  #page = {}; // The panel's elements by name.
  #items = new Map(); // entry key → its element
  #typists = new Map(); // user id → timer
  #typedMs = 0;
  #unread = 0;
  #drawing = 0;
  #bannerTimer = 0;
  #loaded = false;

  constructor(host, options) {
    this.#options = options;
    this.#stream = options.stream || "lobby";
    this.#store = openStore();
    this.#draftKey = `rtai:${host}:${options.site}:${this.#stream}`;
    this.#visitor = new Visitor(host, options.site, options.name, this.#store);
    this.#thread = new Thread(() => this.#visitor.sub);
    this.#client = new Client({
      url: `${host.replace(/^http/, "ws")}/ws/v1/`,
      token: (fresh) => this.#visitor.get(fresh),
      onState: (state, detail) => this.#stateChanged(state, detail),
      onFrame: (frame) => this.#arrived(frame),
    });
    this.element = make("div", { class: "rtai-widget" });
    this.#build(this.element.attachShadow({ mode: "open" }));
    this.#restore();
    this.#listen();
  }

  start() {
    this.#client.subscribe(this.#stream);
    this.#client.connect();
    this.#draw();
  }

  // Building the panel.

  #build(root) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const panel = make("section", { class: "panel", "aria-label": this.#title() });
    panel.append(this.#header(), this.#renameForm(), this.#banner(), ...this.#middle(), this.#foot());
    root.append(panel);
  }

  #title() {
    const name = this.#stream.replace(/[-_.:]+/g, " ");
    return this.#options.title || name[0].toUpperCase() + name.slice(1);
  }

  #header() {
    const page = this.#page;
    page.live = make("span", { class: "live", "data-state": "idle" }, WORDS.state.other);
    page.name = make("span", { dir: "auto" }, this.#visitor.name);
    const about = { class: "who", type: "button", "aria-expanded": "false" };
    page.who = make("button", { ...about, onclick: () => this.#toggleRename() }, page.name, icon("pen"));
    page.who.prepend(make("i", { class: "away" }, "Your name: "));
    return make("header", {}, make("h2", { dir: "auto" }, this.#title()), page.live, page.who);
  }

  #renameForm() {
    const look = { "aria-label": "Your name", maxlength: LONGEST_NAME, required: true, dir: "auto" };
    const input = make("input", { ...look, autocomplete: "nickname" });
    const save = make("button", { class: "small" }, "Save");
    const onsubmit = (event) => this.#rename(event, input.value.trim());
    const onkeydown = (event) => event.key === "Escape" && this.#toggleRename();
    this.#page.rename = make("form", { class: "rename", hidden: true, onsubmit, onkeydown }, input, save);
    return this.#page.rename;
  }

  #banner() {
    this.#page.banner = make("div", { class: "banner", hidden: true });
    return this.#page.banner;
  }

  #middle() {
    const page = this.#page;
    const role = { role: "log", "aria-label": "Messages", tabindex: "0" };
    const live = { "aria-live": "off", "aria-relevant": "additions", "aria-busy": "true" };
    page.log = make("div", { class: "log", ...role, ...live, onscroll: () => this.#scrolled() });
    page.empty = make("div", { class: "log empty" }, icon("talk"));
    page.empty.append(make("b", {}, "It is quiet here"), make("span", {}, "Say the first word."));
    page.status = make("div", { class: "away", role: "status" });
    return [page.log, page.empty, page.status];
  }

  #foot() {
    const page = this.#page;
    page.newer = make("button", { class: "newer", type: "button", hidden: true });
    page.newer.addEventListener("click", () => this.#toBottom());
    page.typing = make("div", { class: "typing", dir: "auto" });
    page.left = make("span", {});
    const promise = make("span", {}, "Checked before others see it");
    const hint = make("div", { class: "hint" }, promise, page.left);
    return make("div", { class: "foot" }, page.newer, page.typing, this.#box(), hint);
  }

  #box() {
    const page = this.#page;
    const placeholder = this.#options.placeholder || "Write a message";
    const look = { rows: 1, placeholder, "aria-label": "Message", dir: "auto" };
    page.box = make("textarea", { ...look, enterkeyhint: "send", autocomplete: "off" });
    page.box.addEventListener("input", () => this.#typed());
    page.box.addEventListener("keydown", (event) => this.#pressed(event));
    page.send = make("button", { class: "send", "aria-label": "Send" }, icon("send"));
    return make("form", { class: "box", onsubmit: (event) => this.#submit(event) }, page.box, page.send);
  }

  #listen() {
    window.addEventListener("online", () => this.#client.wake());
    window.addEventListener("offline", () => this.#tellState());
    window.addEventListener("pageshow", () => this.#client.wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#client.wake());
    this.element.addEventListener("rtai:fill", (event) => this.#fill(String(event.detail)));
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const paint = () => {
      const chosen = { light: "light", dark: "dark" }[this.#options.theme];
      this.element.dataset.theme = chosen || (dark.matches ? "dark" : "light");
    };
    dark.addEventListener("change", paint);
    paint();
  }

  // Writing.

  #typed() {
    const { box, send, left } = this.#page;
    const rest = LONGEST_TEXT - length(box.value);
    send.setAttribute("aria-disabled", String(!box.value.trim() || rest < 0));
    left.textContent = rest < 500 ? WORDS.left(rest) : "";
    left.className = rest < 0 ? "over" : "";
    if (box.value && Date.now() - this.#typedMs > TYPING_EVERY_MS) {
      this.#typedMs = Date.now();
      this.#client.send({ type: "typing", stream: this.#stream });
    }
    this.#keep();
  }

  #pressed(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#submit(event);
  }

  #submit(event) {
    event.preventDefault();
    const { box } = this.#page;
    const text = box.value.trim();
    if (!text || length(text) > LONGEST_TEXT || box.disabled) return;
    box.value = "";
    this.#typed();
    this.#typedMs = 0;
    this.#post(text);
    box.focus();
  }

  #post(text) {
    const ref = newRef();
    this.#thread.post(ref, text, this.#visitor.author, Date.now());
    this.#client.post(this.#stream, text, ref);
    this.#keep();
    this.#toBottom();
  }

  #fill(text) {
    const { box } = this.#page;
    box.value = text;
    this.#typed();
    box.focus();
  }

  #edit(entry) {
    this.#forget(entry);
    this.#fill([entry.text, this.#page.box.value].filter(Boolean).join("\n"));
  }

  #sendAgain(entry) {
    this.#forget(entry);
    this.#post(entry.text);
    this.#page.box.focus();
  }

  #forget(entry) {
    this.#thread.drop((each) => each === entry);
    this.#draw();
  }

  #toggleRename() {
    const { rename, who } = this.#page;
    rename.hidden = !rename.hidden;
    who.setAttribute("aria-expanded", String(!rename.hidden));
    rename.firstChild.value = this.#visitor.name;
    (rename.hidden ? who : rename.firstChild).focus();
  }

  #rename(event, name) {
    event.preventDefault();
    if (name && name !== this.#visitor.name) {
      this.#visitor.rename(name);
      this.#page.name.textContent = name;
      this.#client.restart();
    }
    this.#toggleRename();
  }

  // What a reload of the page must not lose: the draft, and what nobody else has.

  #keep() {
    const held = { draft: this.#page.box.value, mine: this.#thread.unpublished() };
    this.#store.setItem(this.#draftKey, JSON.stringify(held));
  }

  #restore() {
    const held = readStored(this.#store, this.#draftKey, {});
    this.#page.box.value = held.draft || "";
    this.#typedMs = Date.now();
    this.#typed();
    for (const each of held.mine || []) {
      this.#thread.entries.push(each);
      if (each.status === "pending") this.#client.post(this.#stream, each.text, each.ref, each.at);
    }
    this.#keep();
  }

  // Hearing.

  #arrived(frame) {
    if (frame.stream && frame.stream !== this.#stream) return;
    if (frame.type === "subscribed") this.#subscribed(frame);
    else if (frame.type === "typing") this.#someoneTypes(frame.user);
    else if (this.#thread.apply(frame)) this.#changed(frame);
    else if (frame.type === "error" && frame.code === "not_found") this.#closedFor(404);
  }

  #subscribed(frame) {
    if (frame.reset) this.#thread.reset();
    this.#draw();
    if (this.#loaded) return;
    // Only what comes from now on is read out, not the whole history.
    setTimeout(() => {
      this.#loaded = true;
      this.#page.log.setAttribute("aria-live", "polite");
      this.#page.log.setAttribute("aria-busy", "false");
    }, 1_000);
  }

  #changed(frame) {
    if (frame.type === "verdict" || frame.type === "error") this.#announce(frame.ref);
    if (frame.type === "message") this.#someoneWrote(frame.author.id);
    this.#keep();
    this.#draw();
  }

  #announce(ref) {
    const entry = this.#thread.entries.find((each) => each.ref === ref);
    if (entry) this.#page.status.textContent = this.#noteText(entry);
  }

  #someoneWrote(id) {
    this.#stopsTyping(id);
    if (id !== this.#visitor.sub && !this.#isAtBottom()) this.#unread += 1;
  }

  #someoneTypes(user) {
    const id = user.id || user;
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
    const names = [...this.#typists.keys()].map((id) => known(id)?.author.name || "Someone");
    this.#page.typing.textContent = WORDS.typing(names);
  }

  // The connection.

  #stateChanged(state, detail) {
    const { live } = this.#page;
    live.dataset.state = state;
    live.textContent = WORDS.state[state] || WORDS.state.other;
    if (state === CLOSED) this.#closedFor(detail.code);
    else this.#tellState();
  }

  #tellState() {
    const state = this.#client.state;
    const offline = !navigator.onLine && state !== OPEN;
    if (state === OPEN) {
      clearTimeout(this.#bannerTimer);
      this.#bannerTimer = 0;
      this.#showBanner("");
    } else if (offline) {
      this.#showBanner(WORDS.offline);
    } else if (state === WAITING && !this.#bannerTimer) {
      const late = () => this.#client.state !== OPEN && this.#showBanner(WORDS.waiting);
      this.#bannerTimer = setTimeout(late, PATIENCE_MS);
    }
  }

  #closedFor(code) {
    const again = make("button", { type: "button", onclick: () => this.#client.connect() }, "Try again");
    this.#showBanner(WORDS.closed[code] || WORDS.closed.other, "closed");
    if (code !== 4503) this.#page.banner.append(again);
  }

  #showBanner(text, kind = "waiting") {
    const { banner, box, status } = this.#page;
    banner.hidden = !text;
    banner.dataset.kind = kind;
    banner.replaceChildren(text);
    box.disabled = kind === "closed";
    if (text) status.textContent = text;
  }

  // Drawing.

  #draw() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#drawNow();
    });
  }

  #drawNow() {
    const { log, empty, newer } = this.#page;
    const { entries } = this.#thread;
    const stay = this.#isAtBottom();
    empty.hidden = entries.length > 0;
    log.hidden = entries.length === 0;
    this.#drawItems(entries);
    if (stay) log.scrollTop = log.scrollHeight;
    newer.hidden = this.#unread === 0;
    newer.textContent = WORDS.newer(this.#unread);
    const now = Date.now();
    if (entries.some((each) => each.error?.retryAt > now)) setTimeout(() => this.#draw(), 1_000);
  }

  #drawItems(entries) {
    const { log } = this.#page;
    const keys = new Set(entries.map((each) => each.key));
    for (const [key, item] of this.#items) {
      if (!keys.has(key)) item.remove();
      if (!keys.has(key)) this.#items.delete(key);
    }
    const lastSent = entries.findLast((each) => each.mine && each.status === "sent");
    entries.forEach((entry, index) => {
      const item = this.#item(entry);
      if (log.children[index] !== item) log.insertBefore(item, log.children[index] || null);
      item.classList.toggle("same", this.#followsItself(entries[index - 1], entry));
      item.dataset.status = entry.status;
      this.#drawNote(item, entry, entry === lastSent);
    });
  }

  #item(entry) {
    const old = this.#items.get(entry.key);
    const sign = `${entry.author.name}\n${entry.text}\n${entry.mine}`;
    if (old && old.sign === sign) return old;
    const item = Object.assign(messageItem(entry), { sign });
    item.classList.toggle("new", this.#loaded && !old);
    item.append(make("div", { class: "note", "aria-live": "off", hidden: true }));
    if (old) old.replaceWith(item);
    this.#items.set(entry.key, item);
    return item;
  }

  #followsItself(before, entry) {
    const same = before && before.author.id === entry.author.id && before.mine === entry.mine;
    return Boolean(same) && entry.at - before.at < SAME_AUTHOR_MS;
  }

  #noteText({ status, rules, error }) {
    if (status === "rejected") return WORDS.rejected(rules.join(", ").replace(/[-_]/g, " "));
    if (status !== "failed") return WORDS[status];
    const seconds = Math.ceil((error.retryAt - Date.now()) / 1_000);
    const wait = error.retryAt ? WORDS.wait(seconds) : "";
    return (WORDS.failed[error.code] || WORDS.failed.other)(wait);
  }

  #drawNote(item, entry, isLastSent) {
    const note = item.lastChild;
    const text = entry.status === "sent" && !isLastSent ? "" : entry.mine ? this.#noteText(entry) : "";
    note.hidden = !text;
    if (note.sign !== entry.status || !note.firstChild) {
      note.sign = entry.status;
      note.replaceChildren(make("span", {}, icon(entry.status), ""), ...this.#actions(entry));
    }
    note.firstChild.lastChild.data = text;
  }

  #actions(entry) {
    if (entry.status !== "rejected" && entry.status !== "failed") return [];
    const edit = { type: "button", onclick: () => this.#edit(entry) };
    const again = { type: "button", onclick: () => this.#sendAgain(entry) };
    return [make("button", edit, "Edit"), make("button", again, "Send again")];
  }

  #isAtBottom() {
    const { log } = this.#page;
    return log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_BOTTOM_PX;
  }

  #scrolled() {
    if (!this.#isAtBottom() || !this.#unread) return;
    this.#unread = 0;
    this.#draw();
  }

  #toBottom() {
    const { log } = this.#page;
    this.#unread = 0;
    this.#drawNow();
    log.scrollTop = log.scrollHeight;
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
  if (document.readyState === "loading" && (options.target || !document.body)) {
    document.addEventListener("DOMContentLoaded", place, { once: true });
  } else {
    place();
  }
}
