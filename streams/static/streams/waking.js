// Tells when the network or the page is back; where there is no page, such as in Node, it never does.

export class Waking {
  #act;
  #listening = null;

  constructor(act) {
    this.#act = act;
  }

  start() {
    if (this.#listening || typeof window === "undefined") return;
    this.#listening = new AbortController();
    const options = { signal: this.#listening.signal };
    window.addEventListener("online", () => this.#act(), options);
    window.addEventListener("pageshow", () => this.#act(), options);
    document.addEventListener("visibilitychange", () => document.hidden || this.#act(), options);
  }

  stop() {
    this.#listening?.abort();
    this.#listening = null;
  }
}
