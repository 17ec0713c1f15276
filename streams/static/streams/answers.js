// Answers of the assistant in a thread: they grow, end, break off, or are taken back.
//
// An answer's status: waiting → growing → sent, stopped, broken or erased; refused if it never began.

const ENDS = { cancelled: "stopped", interrupted: "broken", blocked: "erased" };
const size = (text) => [...text].length; // Unicode code points, as the server counts.

export class Answers {
  name = "";
  #thread;

  constructor(thread) {
    this.#thread = thread;
  }

  // Shows that the visitor asked.
  ask(ref, at) {
    return this.#add({ key: ref, ref, at, own: true, status: "waiting" });
  }

  // Applies one frame; returns the answer it changed or added, or null.
  apply(frame) {
    if (frame.type === "start") return this.#started(frame);
    const entry = this.#find(frame);
    if (!entry) return null;
    if (frame.type === "token") return this.#grew(entry, frame);
    if (frame.type === "done") return this.#ended(entry, frame);
    if (frame.type === "error") return this.#failed(entry, frame);
    return null;
  }

  // What is under way in the stream, each with its whole text; returns those whose end was missed.
  sync(running) {
    for (const { id, user, text } of running) {
      const entry = this.#find({ id }) || this.#add({ key: id, at: Date.now() });
      this.#grow(entry, { id, user, text });
    }
    const ids = running.map((each) => each.id);
    return this.#thread.entries.filter((each) => each.status === "growing" && !ids.includes(each.id));
  }

  #find({ ref, id }) {
    const same = (each) => (id && each.id === id) || (ref && each.ref === ref);
    return this.#thread.entries.find((each) => each.own !== undefined && same(each));
  }

  #add(entry) {
    const author = { id: "assistant", name: this.name, kind: "assistant" };
    const fresh = { id: "", ref: "", author, text: "", count: 0, offset: 0, mine: false, own: false };
    const added = { ...fresh, rules: [], error: null, ...entry };
    this.#thread.entries.push(added);
    return added;
  }

  #grow(entry, { id, user, text }) {
    const own = user === this.#thread.me();
    return Object.assign(entry, { id, own, text, count: size(text), status: "growing" });
  }

  #started(frame) {
    const entry = this.#find({ ref: frame.ref }) || this.#find(frame);
    const grown = entry || this.#add({ key: frame.id, at: Date.now() });
    this.#thread.drop((each) => each.id === frame.id && each !== grown);
    return this.#grow(grown, { ...frame, text: "" });
  }

  // Drops what is known already; what would leave a gap comes again with the next `subscribed`.
  #grew(entry, { from, text }) {
    if (entry.status !== "growing" || from > entry.count) return null;
    const before = from === entry.count ? entry.text : [...entry.text].slice(0, from).join("");
    return Object.assign(entry, { text: before + text, count: from + size(text) });
  }

  #ended(entry, { id, finish_reason: reason }) {
    if (entry.status === "waiting") return this.#unstarted(entry, reason);
    const status = ENDS[reason] || "sent";
    return Object.assign(entry, { id, status, text: reason === "blocked" ? "" : entry.text });
  }

  #unstarted(entry, reason) {
    if (reason === "cancelled") {
      entry.status = "stopped";
      return this.#thread.drop((each) => each === entry);
    }
    return Object.assign(entry, { status: "refused", error: { code: reason, retryAt: 0 } });
  }

  #failed(entry, { code, retry_after_ms: waitMs }) {
    const gone = entry.status === "growing" && code === "not_found";
    if (gone) return this.#thread.drop((each) => each === entry);
    if (entry.status !== "waiting") return null;
    const retryAt = waitMs ? Date.now() + waitMs : 0;
    return Object.assign(entry, { status: "refused", error: { code, retryAt } });
  }
}
