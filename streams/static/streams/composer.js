// The box that one writes in.

import { icon, make } from "./parts.js";
import { WORDS } from "./words.js";

const LONGEST_TEXT = 10_000; // Unicode code points, as the server counts.
const NEAR_END = 500;
const TYPING_EVERY_MS = 3_000;
const TYPING_PAUSE_MS = 1_100; // The server passes on one a second.

const length = (text) => [...text].length;

// What the server takes: no NUL, no half of a surrogate pair, nothing around it.
const clean = (text) => (text.toWellFormed?.() ?? text).replaceAll("\0", "").trim();

export class Composer {
  #send;
  #ask;
  #left = make("span");
  #typedMs = 0;
  #on;

  // `on` has send(text), ask(text), typing() and change(), called with every keystroke.
  constructor(placeholder, on) {
    this.#on = on;
    const look = { rows: 1, placeholder, "aria-label": WORDS.message, dir: "auto" };
    this.box = make("textarea", { ...look, enterkeyhint: "send", autocomplete: "off" });
    this.box.addEventListener("input", () => this.#typed());
    this.box.addEventListener("keydown", (event) => this.#pressed(event));
    this.#send = make("button", { class: "send", "aria-label": WORDS.send }, icon("send"));
    const onclick = (event) => this.#submit(event, "ask");
    const asking = { class: "ask", type: "button", hidden: true, onclick };
    this.#ask = make("button", asking, icon("spark"), WORDS.ask);
    const onsubmit = (event) => this.#submit(event);
    const form = make("form", { class: "box", onsubmit }, this.box, this.#ask, this.#send);
    const hint = make("div", { class: "hint" }, make("span", {}, WORDS.promise), this.#left);
    this.elements = [form, hint];
    this.value = "";
  }

  get value() {
    return this.box.value;
  }

  set value(text) {
    this.box.value = text;
    this.#check();
  }

  // Whom one may ask here; null if nobody.
  set assistant(found) {
    this.#ask.hidden = !found || found.trigger === "always";
    if (found) this.#ask.setAttribute("aria-label", WORDS.askName(found.name));
  }

  // Puts a text into the box, for the visitor to change and send.
  fill(text) {
    this.value = text;
    this.#on.change();
    this.box.focus();
  }

  #check() {
    const rest = LONGEST_TEXT - length(this.value);
    const off = String(!this.value.trim() || rest < 0);
    for (const each of [this.#send, this.#ask]) each.setAttribute("aria-disabled", off);
    this.#left.textContent = rest < NEAR_END ? WORDS.left(rest) : "";
    this.#left.className = rest < 0 ? "over" : "";
  }

  #typed() {
    this.#check();
    this.#on.change();
    if (!this.value || Date.now() - this.#typedMs < TYPING_EVERY_MS) return;
    this.#typedMs = Date.now();
    this.#on.typing();
  }

  #pressed(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#submit(event);
  }

  #submit(event, how = "send") {
    event.preventDefault();
    const text = clean(this.value);
    if (!text || length(text) > LONGEST_TEXT || this.box.disabled) return;
    this.value = "";
    this.#typedMs = Date.now() - TYPING_EVERY_MS + TYPING_PAUSE_MS;
    this.#on[how](text);
    this.box.focus();
  }
}
