// The list of messages: draws a thread's entries, and keeps one's place in it.

import { icon, make, messageItem } from "./parts.js";
import { noteText, WORDS } from "./words.js";

const NEAR_BOTTOM_PX = 60;
const SAME_AUTHOR_MS = 180_000;
const SETTLED_MS = 1_000;
const STOP = [["stop", WORDS.stop, "stop"]];
const RETRY = [["again", WORDS.retry]];
const RESEND = [["edit", WORDS.edit], ["again", WORDS.again]];
const ACTIONS = { rejected: RESEND, failed: RESEND, waiting: STOP, growing: STOP };
Object.assign(ACTIONS, { broken: RETRY, refused: RETRY });

export class Log {
  unread = 0;
  #on;
  #items = new Map(); // entry key → its element
  #settled = false;

  // `on` has edit(entry), again(entry), stop(entry), and stops(entry): whether one may.
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
      item.setAttribute("aria-busy", String(entry.status === "growing"));
      // Changed in place: it is read out at its end, and not with every piece.
      const { firstChild } = item.querySelector(".text");
      if (firstChild.data !== entry.text) firstChild.data = entry.text;
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
    const sign = `${entry.author.name}\n${entry.mine}`;
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
    const { mine, status } = entry;
    const quiet = mine ? entry !== lastSent : status === "growing" && !this.#on.stops(entry);
    note.hidden = (status === "sent" && (!mine || quiet)) || (status === "growing" && quiet);
    if (note.hidden) return;
    if (note.sign !== entry.status) {
      note.sign = entry.status;
      const says = make("span", { hidden: !noteText(entry) }, icon(entry.status), "");
      note.replaceChildren(says, ...this.#actions(entry));
    }
    note.firstChild.lastChild.data = noteText(entry);
  }

  #actions(entry) {
    const acts = (ACTIONS[entry.status] || []).map(([name, word, ...icons]) => {
      const about = { type: "button", class: name, onclick: () => this.#on[name](entry) };
      return make("button", about, ...icons.map(icon), word);
    });
    const may = entry.own !== false || (entry.status === "growing" && this.#on.stops(entry));
    return acts.length && may ? [make("div", { class: "acts" }, ...acts)] : [];
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
