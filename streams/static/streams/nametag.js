// One's own name in the head of the panel, and the form that changes it.

import { icon, make } from "./parts.js";
import { WORDS } from "./words.js";

const LONGEST_NAME = 40;

export class NameTag {
  #shown;
  #input;

  constructor(name, onRename) {
    this.onRename = onRename;
    this.#shown = make("span", { dir: "auto" }, name);
    const hint = make("i", { class: "away" }, `${WORDS.name}: `);
    const about = { class: "who", type: "button", "aria-expanded": "false" };
    const onclick = () => this.#toggle();
    this.button = make("button", { ...about, onclick }, hint, this.#shown, icon("pen"));
    this.form = this.#form();
  }

  #form() {
    const look = { "aria-label": WORDS.name, maxlength: LONGEST_NAME, required: true, dir: "auto" };
    this.#input = make("input", { ...look, autocomplete: "nickname" });
    const onsubmit = (event) => this.#save(event);
    const onkeydown = (event) => event.key === "Escape" && this.#toggle();
    const about = { class: "rename", hidden: true, onsubmit, onkeydown };
    return make("form", about, this.#input, make("button", { class: "small" }, WORDS.save));
  }

  #toggle() {
    const { form, button } = this;
    form.hidden = !form.hidden;
    button.setAttribute("aria-expanded", String(!form.hidden));
    this.#input.value = this.#shown.textContent;
    (form.hidden ? button : this.#input).focus();
  }

  #save(event) {
    event.preventDefault();
    const name = this.#input.value.trim();
    if (name && name !== this.#shown.textContent) {
      this.onRename(name);
      this.#shown.textContent = name;
    }
    this.#toggle();
  }
}
