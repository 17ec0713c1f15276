// What the panel says of its connection and its stream: a word in its head, and a banner.

import { CLOSED, OPEN, WAITING } from "./client.js";
import { make } from "./parts.js";
import { WORDS } from "./words.js";

const PATIENCE_MS = 2_000; // A drop shorter than this is not worth a banner.
const REFUSED = { not_found: 404, forbidden: 403 }; // What a subscription may be refused with.
const BANNED = 4503;

export class Standing {
  word = make("span", { class: "live" }, WORDS.state.other);
  banner = make("div", { class: "banner", hidden: true });
  #state = "";
  #timer = 0;
  #wasOpen = false;
  #attached = false; // The stream itself, not only the connection, is there.
  #isOver = false; // The banner says that, until the next attempt.
  #on;

  // `on` has told(text, isOver), called with every text of the banner, and again().
  constructor(on) {
    this.#on = on;
  }

  // The connection has another state.
  changed(state, detail) {
    this.#state = state;
    this.#attached = this.#isOver = false;
    if (state === CLOSED) this.#over(detail.code);
    else this.tell();
  }

  // The stream is there.
  attached() {
    this.#attached = true;
    this.#isOver = false;
    this.tell();
  }

  // The stream is gone, or never was, while the connection stands; the client asks again by itself.
  refused({ type, code, reason, ref, id }) {
    const mine = type === "unsubscribed" || !(ref || id || this.#attached);
    const why = REFUSED[reason || code];
    if (mine && why) this.#over(why);
  }

  tell() {
    if (this.#isOver) return;
    this.#name(this.#state);
    if (this.#state === OPEN) {
      this.#stop();
      this.#wasOpen = true;
      this.#show("");
    } else if (!navigator.onLine) {
      this.#show(WORDS.offline);
    } else if (this.#state === WAITING && !this.#timer) {
      const text = this.#wasOpen ? WORDS.waiting : WORDS.unreached;
      const late = () => this.#state !== OPEN && this.#show(text);
      this.#timer = setTimeout(late, PATIENCE_MS);
    }
  }

  #over(code) {
    this.#stop();
    this.#attached = false;
    this.#isOver = true;
    this.#name(CLOSED);
    const text = WORDS.closed[code] || WORDS.closed.other;
    if (this.banner.firstChild?.data === text) return; // The button keeps its focus.
    this.#show(text, "closed");
    const onclick = () => this.#on.again();
    if (code !== BANNED) this.banner.append(make("button", { type: "button", onclick }, WORDS.retry));
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  #name(state) {
    this.word.dataset.state = state;
    this.word.textContent = WORDS.state[state] || WORDS.state.other;
  }

  #show(text, kind = "waiting") {
    this.banner.hidden = !text;
    this.banner.dataset.kind = kind;
    this.banner.replaceChildren(text);
    this.#on.told(text, kind === "closed");
  }
}
