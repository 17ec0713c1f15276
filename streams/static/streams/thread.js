// What a stream shows: the published messages in their order, and one's own that are on their way.
//
// An entry's status: pending → sent, held, rejected or failed. `held` may become sent or rejected
// when a moderator decides. What the assistant writes has statuses of its own: see `answers.js`.

const MOST_ENTRIES = 500;

export const UNPUBLISHED = ["pending", "held", "rejected", "failed", "waiting", "refused"];

const UNDER_WAY = ["waiting", "growing"];

export class Thread {
  entries = [];
  horizon = 0; // Messages up to this offset are history: they stand before answers under way.

  // `me` is the visitor's own user id, a function because it may change with the token.
  constructor(me) {
    this.me = me;
  }

  // Shows one's own message at once.
  post(ref, text, author, at) {
    const entry = { key: ref, ref, id: "", author, text, at, offset: 0, mine: true };
    this.entries.push(Object.assign(entry, { status: "pending", rules: [], error: null }));
    return entry;
  }

  // Applies one frame; returns the entry it changed or added, or null.
  apply(frame) {
    if (frame.type === "message") return this.#published(frame);
    if (frame.type === "removed") return this.#removed(frame.id);
    const entry = this.#own(frame);
    if (!entry) return null;
    if (frame.type === "accepted") return this.#accepted(entry, frame.id);
    if (frame.type === "verdict") return this.#decided(entry, frame);
    if (frame.type === "error") return this.#failed(entry, frame);
    return null;
  }

  // The history was lost: only what nobody else has stays.
  reset() {
    this.entries = this.entries.filter((each) => UNPUBLISHED.includes(each.status));
  }

  drop(matches) {
    const entry = this.entries.find(matches) || null;
    this.entries = this.entries.filter((each) => each !== entry);
    return entry;
  }

  // One's own entries that others have not seen, to keep over a reload of the page.
  unpublished() {
    return this.entries.filter((each) => UNPUBLISHED.includes(each.status)).slice(-20);
  }

  // An answer that others saw grow leaves a note where it stood.
  #removed(id) {
    const entry = this.#byId(id);
    const shown = entry && ["growing", "erased"].includes(entry.status);
    if (shown) return Object.assign(entry, { status: "erased", text: "" });
    return this.drop((each) => each === entry);
  }

  #own(frame) {
    const same = (each) => each.mine && each.ref && each.ref === frame.ref;
    return this.entries.find(same) || (frame.id && this.#byId(frame.id)) || null;
  }

  #byId(id) {
    return this.entries.find((each) => each.id === id);
  }

  #accepted(entry, id) {
    const shown = this.#byId(id);
    if (shown && shown !== entry) {
      // The message overtook its own receipt.
      shown.ref = entry.ref;
      return this.drop((each) => each === entry) && shown;
    }
    entry.id = id;
    return entry;
  }

  #decided(entry, frame) {
    if (!entry.id) this.#accepted(entry, frame.id);
    if (entry.offset && frame.by !== "moderator") return null;
    const status = { hold: "held", block: "rejected" }[frame.action] || "sent";
    const rules = (frame.reasons || []).map((each) => each.rule);
    return Object.assign(entry, { status, rules, error: null });
  }

  #failed(entry, frame) {
    if (entry.status !== "pending") return null;
    const { code, detail } = frame;
    const retryAt = frame.retry_after_ms ? Date.now() + frame.retry_after_ms : 0;
    return Object.assign(entry, { status: "failed", error: { code, detail, retryAt } });
  }

  #published(frame) {
    const { id, author, text, offset } = frame;
    const mine = author.id === this.me();
    const known = this.#byId(id);
    const entry = known || { key: id, id, ref: "" };
    const at = Date.parse(frame.sent_at);
    const status = entry.status === "stopped" ? "stopped" : "sent";
    Object.assign(entry, { author, text, offset, mine, at, status, rules: [], error: null });
    this.#place(entry);
    return entry;
  }

  // Behind the last published message with a lower offset: the same order for everybody.
  #place(entry) {
    const others = this.entries.filter((each) => each !== entry);
    const after = others.findLastIndex((each) => each.offset && each.offset < entry.offset);
    const next = others.findIndex((each) => each.offset > entry.offset);
    const live = (each) => entry.offset <= this.horizon && UNDER_WAY.includes(each.status);
    const growing = others.findIndex(live);
    const old = this.entries.indexOf(entry);
    const end = growing === -1 ? others.length : growing;
    let at = next === -1 ? Math.max(after + 1, end) : after + 1;
    if (old !== -1 && old > after && (next === -1 || old <= next)) at = old;
    others.splice(at, 0, entry);
    this.entries = others.slice(-MOST_ENTRIES);
  }
}
