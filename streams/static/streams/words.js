// What the widget says.

export const WORDS = {
  message: "Message",
  messages: "Messages",
  write: "Write a message",
  send: "Send",
  ask: "Ask",
  askName: (name) => `Ask ${name}`,
  stop: "Stop",
  promise: "Checked before others see it",
  name: "Your name",
  save: "Save",
  edit: "Edit",
  again: "Send again",
  retry: "Try again",
  guest: "Guest",
  you: "You",
  someone: "Someone",
  empty: ["It is quiet here", "Say the first word."],
  closed: {
    403: "This page may not use the chat.",
    404: "This chat does not exist.",
    4503: "You can no longer take part in this chat.",
    4504: "This chat is open in too many windows.",
    other: "The chat is not available.",
  },
  offline: "You are offline. Messages are sent when the network is back.",
  waiting: "Connection lost. Reconnecting…",
  unreached: "The chat cannot be reached. Trying again…",
  state: { open: "Live", closed: "Off", other: "Connecting" },
  pending: "Sending…",
  sent: "Sent",
  held: "Waiting for a moderator",
  rejected: "Not sent: breaks the rules",
  failed: {
    rate_limited: "Not sent: too many messages.",
    overloaded: "Not sent: the chat is very busy.",
    too_large: "Not sent: the message is too long.",
    forbidden: "Not sent: you may not write here.",
    unconfirmed: "Not confirmed: the connection was lost.",
    other: "Not sent.",
  },
  thinking: "Thinking…",
  growing: "",
  stopped: "Stopped",
  broken: "The answer broke off",
  erased: "Taken back: breaks the rules",
  refused: {
    rate_limited: "No answer: too many questions.",
    overloaded: "No answer: the assistant is very busy.",
    deadline_exceeded: "No answer: the assistant is very busy.",
    too_large: "No answer: the question is too long.",
    blocked: "No answer: the question breaks the rules.",
    other: "No answer: the assistant is not available.",
  },
  wait: (seconds) => (seconds > 0 ? `Try again in ${seconds} s.` : "You can try again now."),
  typing: (names) =>
    names.length === 1 ? `${names[0]} is typing…` : names.length ? "Several people are typing…" : "",
  newer: (count) => (count === 1 ? "1 new message" : `${count} new messages`),
  left: (count) => (count < 0 ? `${-count} characters too many` : `${count} characters left`),
};

// What became of one's own message, or of an answer.
export function noteText({ status, rules, error }) {
  if (error) {
    const seconds = Math.ceil((error.retryAt - Date.now()) / 1_000);
    const text = WORDS[status][error.code] || WORDS[status].other;
    return error.retryAt ? `${text} ${WORDS.wait(seconds)}` : text;
  }
  const names = status === "rejected" ? rules.join(", ").replace(/[-_]/g, " ") : "";
  const text = status === "waiting" ? WORDS.thinking : WORDS[status];
  return names ? `${text} (${names})` : text;
}
