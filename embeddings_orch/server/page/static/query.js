/** The search box: words, a picture, an item to search by. */

import { byId, h, icon } from "./dom.js";
import { keep, pictureOf } from "./picture.js";

const PAUSE = 180; // ms without a key before a search

export class Query {
  #timer = 0;
  #drags = 0;

  /** @param {{typed: Function, picture: Function, failed: Function, down: Function, clear: Function, drop: Function}} acts */
  constructor(acts) {
    this.acts = acts;
    this.words = byId("words");
    this.chips = byId("query-chips");
    this.lead = byId("query-lead");
    this.searching = this.lead.firstElementChild;
    this.words.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#send(), PAUSE);
      this.#clearable();
    });
    this.words.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") {
        event.preventDefault();
        acts.down();
      } else if (event.key === "Backspace" && !this.words.value && this.chips.childElementCount) acts.dropChip();
    });
    byId("query").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    byId("query").addEventListener("click", (event) => event.target === event.currentTarget && this.words.focus());
    byId("clear").addEventListener("click", () => {
      acts.clear();
      this.words.focus();
    });
    byId("choose").addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) this.#take(file);
    });
    this.#dropping();
  }

  /** Shows what is asked: {text, picture: {label, small} | null, like: {label, address} | null}. */
  show({ text, picture, like }) {
    if (this.words.value.trim() !== text.trim()) {
      clearTimeout(this.#timer);
      this.words.value = text;
    }
    const chips = [];
    if (picture) chips.push(this.#chip(picture.small, picture.label, "Remove the picture"));
    if (like) chips.push(this.#chip(like.address && h("img", { src: like.address, alt: "" }), `Like ${like.label}`, "Remove the item to search by"));
    this.chips.replaceChildren(...chips);
    this.words.placeholder = chips.length ? "Add words" : "Search by words, or drop a picture";
    this.#clearable();
  }

  /** A spinner in place of the glass. */
  wait(waiting) {
    this.lead.replaceChildren(waiting ? h("span", { class: "spinner" }) : this.searching);
  }

  focus() {
    this.words.focus();
    this.words.select();
  }

  #chip(image, label, said) {
    const remove = h("button", { type: "button", "aria-label": said, title: said, on: { click: () => this.acts.dropChip() } }, icon("close"));
    return h("span", { class: "query-chip", title: label }, image, h("span", { class: "label" }, label), remove);
  }

  #clearable() {
    byId("clear").hidden = !this.words.value && !this.chips.childElementCount;
  }

  #send() {
    clearTimeout(this.#timer);
    this.acts.typed(this.words.value);
  }

  async #take(file) {
    try {
      this.acts.picture(await keep(file));
    } catch (error) {
      this.acts.failed(error);
    }
  }

  #dropping() {
    const cover = byId("drop");
    const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragenter", (event) => {
      if (!files(event)) return;
      this.#drags += 1;
      cover.hidden = false;
    });
    addEventListener("dragleave", (event) => {
      if (!files(event)) return;
      this.#drags = Math.max(0, this.#drags - 1);
      cover.hidden = this.#drags === 0;
    });
    addEventListener("dragover", (event) => files(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      this.#drags = 0;
      cover.hidden = true;
      const file = pictureOf(event.dataTransfer);
      if (file) this.#take(file);
    });
    addEventListener("paste", (event) => {
      const file = pictureOf(event.clipboardData);
      if (!file || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      this.#take(file);
    });
  }
}
