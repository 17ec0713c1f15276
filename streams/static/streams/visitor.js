// Who is writing: an anonymous visitor, whose token is kept for the life of the window, or somebody
// whom the page's own server knows and gives a token.

const FRESH_ENOUGH_MS = 90_000;
const TOKEN_MS = 10_000;
const HUES = ["Amber", "Azure", "Coral", "Jade", "Indigo", "Olive", "Ruby", "Silver"];
const ANIMALS = ["Badger", "Falcon", "Fox", "Heron", "Lynx", "Otter", "Panda", "Robin"];

// Session storage of the page, or memory where the browser refuses it.
export function openStore() {
  try {
    sessionStorage.setItem("rtai", "");
    sessionStorage.removeItem("rtai");
    return sessionStorage;
  } catch {
    const held = new Map();
    return {
      getItem: (key) => held.get(key) ?? null,
      setItem: (key, value) => held.set(key, value),
    };
  }
}

export function readStored(store, key, otherwise) {
  try {
    return JSON.parse(store.getItem(key)) || otherwise;
  } catch {
    return otherwise; // Somebody else wrote there.
  }
}

function claims(token) {
  const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
  const bytes = Uint8Array.from(atob(part), (each) => each.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function refusal(response, detail) {
  const { status } = response;
  const terminal = status >= 400 && status < 500 && status !== 429 && status !== 408;
  const retryAfterMs = 1_000 * Number(response.headers.get("Retry-After")) || 0;
  return Object.assign(new Error(detail), { status, terminal, retryAfterMs });
}

const pick = (list) => list[Math.floor(Math.random() * list.length)];

export class Visitor {
  #url;
  #site;
  #store;
  #key;

  constructor(host, { site, name, tokenUrl }, store) {
    this.isKnown = Boolean(tokenUrl); // To the page's server, which says what it is called.
    this.#url = tokenUrl || `${host}/widget/v1/token`;
    this.#site = site;
    this.#store = store;
    this.#key = `rtai:${host}:${site}`;
    const held = this.isKnown ? {} : readStored(store, this.#key, {});
    this.#hold({ ...held, name: held.name || name || `${pick(HUES)} ${pick(ANIMALS)}` });
  }

  get author() {
    return { id: this.sub, name: this.name, kind: "user" };
  }

  rename(name) {
    this.#hold({ name, token: this.token, expiresMs: 0 });
  }

  // The kept token, or a new one when it is asked for or near its end.
  async get(fresh) {
    if (fresh || !this.token || this.expiresMs - Date.now() < FRESH_ENOUGH_MS) await this.#mint();
    return { token: this.token, expiresMs: this.expiresMs };
  }

  async #mint() {
    const asked = this.name;
    let response = await this.#ask(this.token);
    // A kept token that the server no longer knows must not lock its visitor out.
    if (this.token && (response.status === 400 || response.status === 401)) {
      response = await this.#ask();
    }
    if (!response.ok) throw refusal(response, await response.text());
    const { token, expires_at } = await response.json();
    const { name } = this.isKnown ? claims(token) : this;
    // A name that was chosen meanwhile is not in it: the next use asks for another.
    const isLate = !this.isKnown && name !== asked;
    this.#hold({ name, token, expiresMs: isLate ? 0 : Date.parse(expires_at) });
  }

  #ask(previous) {
    return fetch(this.#url, {
      method: "POST",
      credentials: this.isKnown ? "same-origin" : "omit",
      cache: "no-store",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ site: this.#site, name: this.name, previous }),
      signal: AbortSignal.timeout(TOKEN_MS), // The client tries again.
    });
  }

  #hold({ name, token, expiresMs = 0 }) {
    const { sub = "", role } = token ? claims(token) : {};
    Object.assign(this, { name, token, expiresMs, sub, moderates: role === "moderator" });
    if (!this.isKnown) this.#store.setItem(this.#key, JSON.stringify({ name, token, expiresMs }));
  }
}
