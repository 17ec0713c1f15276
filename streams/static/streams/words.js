// What the widget says.

export const WORDS = {
  closed: {
    403: "This page may not use the chat.",
    404: "This chat does not exist.",
    4503: "You can no longer take part in this chat.",
    4504: "This chat is open in too many windows. Close one of them and try again.",
    other: "The chat is not available.",
  },
  offline: "You are offline. Messages will be sent when the network is back.",
  waiting: "Connection lost. Reconnecting…",
  state: { open: "Live", closed: "Off", other: "Connecting" },
  pending: "Sending…",
  sent: "Sent",
  held: "Waiting for a moderator",
  rejected: (rules) => `Not sent: breaks the rules${rules ? ` (${rules})` : ""}`,
  failed: {
    rate_limited: (wait) => `Not sent: too many messages. ${wait}`,
    overloaded: (wait) => `Not sent: the chat is very busy. ${wait}`,
    too_large: () => "Not sent: the message is too long.",
    forbidden: () => "Not sent: you may not write here.",
    unconfirmed: () => "Not confirmed: the connection was lost.",
    other: (wait) => `Not sent. ${wait}`,
  },
  wait: (seconds) => (seconds > 0 ? `Try again in ${seconds} s.` : "You can try again now."),
  typing: (names) =>
    names.length === 1 ? `${names[0]} is typing…` : names.length ? "Several people are typing…" : "",
  newer: (count) => (count === 1 ? "1 new message" : `${count} new messages`),
  left: (count) => (count < 0 ? `${-count} characters too many` : `${count} characters left`),
};
