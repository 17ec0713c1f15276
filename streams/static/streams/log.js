// The list of messages: draws a thread's entries, and keeps one's place in it.

import { icon, make, messageItem } from "./parts.js";
import { noteText, WORDS } from "./words.js";

const NEAR_BOTTOM_PX = 60;
const SAME_AUTHOR_MS = 180_000;
const SETTLED_MS = 1_000;

export class Log {
  unread = 0;
  #on;
  #items = new Map(); // entry key → its element
  #settled = false;

  // `on` has edit(entry), again(entry) and scroll().
  constructor(on) {
    this.#on = on;
    const role = { role: "log", "aria-label": WORDS.messages, tabindex: "0" };
    const live = { "aria-live": "off", "aria-relevant": "additions", "aria-busy": "true" };
    this.list = make("div", { class: "log", ...role, ...live, onscroll: () => this.#scrolled() });
    this.empty = make("div", { class: "log empty" }, icon("talk"));
    this.empty.append(make("b", {}, WORDS.empty[0]), make("span", {}, WORDS.empty[1]));
    this.newer = make("button", { class: "newer", type: "button", hidden: true });
    this.newer.addEventListener("click", () => this.toBottom());
  }

  // The history is coming: what comes a second later, and not before, is new and read out.
  settle() {
    this.list.setAttribute("aria-busy", "false");
    setTimeout(() => {
      this.#settled = true;
      this.list.setAttribute("aria-live", "polite");
    }, SETTLED_MS);
  }

  get isAtBottom() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    return scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
  }

  toBottom() {
    this.list.scrollTop = this.list.scrollHeight;
    this.#scrolled();
  }

  draw(entries) {
    const stay = this.isAtBottom;
    this.empty.hidden = entries.length > 0;
    this.list.hidden = entries.length === 0;
    this.#forget(new Set(entries.map((each) => each.key)));
    const lastSent = entries.findLast((each) => each.mine && each.status === "sent");
    entries.forEach((entry, index) => {
      const item = this.#item(entry);
      const there = this.list.children[index];
      if (there !== item) this.list.insertBefore(item, there || null);
      item.classList.toggle("same", followsItself(entries[index - 1], entry));
      item.dataset.status = entry.status;
      this.#drawNote(item.lastChild, entry, lastSent);
    });
    if (stay) this.list.scrollTop = this.list.scrollHeight;
    this.#drawNewer();
  }

  #forget(keys) {
    for (const [key, item] of this.#items) {
      if (keys.has(key)) continue;
      item.remove();
      this.#items.delete(key);
    }
  }

  #item(entry) {
    const old = this.#items.get(entry.key);
    const sign = `${entry.author.name}\n${entry.text}\n${entry.mine}`;
    if (old && old.sign === sign) return old;
    const item = Object.assign(messageItem(entry), { sign });
    item.classList.toggle("new", this.#settled && !old);
    item.append(make("div", { class: "note", "aria-live": "off" }));
    if (old) old.replaceWith(item);
    this.#items.set(entry.key, item);
    return item;
  }

  // Rewrites the note only when the status changes, so that its buttons keep the focus.
  #drawNote(note, entry, lastSent) {
    note.hidden = !entry.mine || (entry.status === "sent" && entry !== lastSent);
    if (note.hidden) return;
    if (note.sign !== entry.status) {
      note.sign = entry.status;
      const says = make("span", {}, icon(entry.status), document.createTextNode(""));
      note.replaceChildren(says, ...this.#actions(entry));
    }
    note.firstChild.lastChild.data = noteText(entry);
  }

  #actions(entry) {
    if (entry.status !== "rejected" && entry.status !== "failed") return [];
    const act = (name, word) => {
      return make("button", { type: "button", onclick: () => this.#on[name](entry) }, word);
    };
    return [make("div", { class: "acts" }, act("edit", WORDS.edit), act("again", WORDS.again))];
  }

  #drawNewer() {
    this.newer.hidden = this.unread === 0;
    this.newer.textContent = WORDS.newer(this.unread);
  }

  #scrolled() {
    if (this.isAtBottom) this.unread = 0;
    this.#drawNewer();
  }
}

function followsItself(before, entry) {
  const same = before && before.author.id === entry.author.id && before.mine === entry.mine;
  return Boolean(same) && entry.at - before.at < SAME_AUTHOR_MS;
}
