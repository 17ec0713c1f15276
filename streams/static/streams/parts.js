// The widget's pieces of page: elements made from values, never from markup.

import { WORDS } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  send: "M4 12 20 4l-5 16-3.5-6.5z M11.5 13.5 20 4",
  pending: "M12 3a9 9 0 1 0 9 9",
  waiting: "M12 3a9 9 0 1 0 9 9",
  sent: "M5 12.5 10 17.5 19.5 7",
  held: "M12 7v5.5l3.5 2 M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18",
  rejected: "M12 7.5v5.5 M12 16.5v.1 M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18",
  pen: "M4 20l1-4.5L16.5 4l3.5 3.5L8.5 19z",
  stop: "M8 8h8v8H8z",
  stopped: "M8 8h8v8H8z",
  spark: "M12 4l1.9 5.1L19 11l-5.1 1.9L12 18l-1.9-5.1L5 11l5.1-1.9z M18.5 16v4 M16.5 18h4",
  talk: "M4 5h16v11H11l-4.5 4v-4H4z M8 9.2h8 M8 12h5",
};

// An element with attributes and children; a child that is a string becomes text.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  const look = { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "aria-hidden": "true" };
  const line = { "stroke-width": "2", "stroke-linecap": "round", "stroke-linejoin": "round" };
  for (const [key, value] of Object.entries({ ...look, ...line })) svg.setAttribute(key, value);
  path.setAttribute("d", PATHS[name] || PATHS.rejected);
  svg.append(path);
  return svg;
}

export function initials(name) {
  const words = name.trim().split(/\s+/u);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...word][0] || "?").join("").toUpperCase();
}

export function hue(id) {
  let sum = 0;
  for (const each of id) sum = (sum * 31 + each.codePointAt(0)) >>> 0;
  return sum % 8;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function moment(ms) {
  const at = new Date(ms);
  const full = { datetime: at.toISOString(), title: calendar.format(at) };
  return make("time", full, clock.format(at));
}

// One message of somebody, without its note on what became of it.
export function messageItem(entry) {
  const name = entry.author.name || WORDS.guest;
  const answers = entry.author.kind === "assistant";
  const look = { class: `item${entry.mine ? " mine" : ""}${answers ? " answer" : ""}` };
  const face = { class: "face", "data-hue": hue(entry.author.id || name), "aria-hidden": "true" };
  const who = make("b", { dir: "auto" }, entry.mine ? WORDS.you : name);
  return make(
    "div",
    look,
    make("div", face, answers ? icon("spark") : initials(name)),
    make("div", { class: "by" }, who, moment(entry.at)),
    make("p", { class: "text", dir: "auto" }, entry.text),
  );
}
