// How far a client has read a stream, over all its connections.

const RECENT = 50;

export const NEXT = "next";
export const SEEN = "seen"; // Handed on before, or comes again behind the answer that is awaited.
export const GAP = "gap"; // Something lacks before it: subscribe again from the last frame.

export class Place {
  live = false; // Whether the last question for it was answered.
  #epoch = "";
  #last = 0;
  #head = 0;
  #since = false;
  #resync = -1;

  // What a `subscribe` frame says so that the stream goes on from here.
  ask() {
    this.live = false;
    this.#since = this.#last > 0;
    const since = { epoch: this.#epoch, offset: this.#last };
    return this.#since ? { since } : { recent: RECENT };
  }

  // Takes the answer to it; null if frames were lost: ask anew. Otherwise, whether what follows
  // begins the stream anew.
  answered(frame) {
    if (this.#since && !frame.recovered) {
      this.#last = 0;
      return null;
    }
    if (!this.#since) this.#last = 0;
    this.live = true;
    this.#epoch = frame.epoch;
    this.#head = frame.offset;
    return { reset: !this.#since };
  }

  // Moves on to a frame, if it is the next one. Until a question is answered, frames are those of an
  // older subscription: what lacks before them would count as seen.
  take({ epoch, offset }) {
    const last = this.#last;
    // What an answer brings may be of an earlier epoch: offsets can go on over a change.
    const same = epoch === this.#epoch || (offset > last && offset <= this.#head);
    if (!this.live || (same && offset <= last)) return SEEN;
    const gap = !same || (last > 0 && offset > last + 1);
    if (gap && this.#resync !== last) {
      this.#resync = last;
      return GAP;
    }
    this.#last = offset;
    if (!same) this.#epoch = epoch;
    return NEXT;
  }
}
