// When, and whether, to connect again after a connection ended.

export const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;

// Full jitter: between 0.5 s and 0.5 s doubled with every failure, at most 20 s.
export function backoff(failures, random = Math.random) {
  const top = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
  return FIRST_DELAY_MS + random() * (top - FIRST_DELAY_MS);
}

// What the close of a socket asks for: another attempt or none, with a fresh token or the same.
export function afterClose(code, reason) {
  let retryAfterMs = 0;
  try {
    retryAfterMs = Math.max(0, Number(JSON.parse(reason || "{}").retry_after_ms) || 0);
  } catch {
    retryAfterMs = 0; // A proxy's reason is text, not JSON.
  }
  const fresh = code === 4005 || code === 4500;
  return { terminal: code >= 4500 && code <= 4999, fresh, retryAfterMs };
}
