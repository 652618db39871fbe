/** The search box: words, a picture, an item to search by. */

import { asError } from "../base/api.js";
import { byId, h, icon } from "../base/dom.js";
import { keep, pictureOf } from "./picture.js";

/**
 * @typedef {object} QueryActs
 * @property {(text: string) => void} typed
 * @property {(name: string) => void} picture a picture was given, and is kept under this name
 * @property {(error: Error) => void} failed it could not be read
 * @property {() => void} down the keyboard goes on to the results
 * @property {() => void} clear
 * @property {() => void} dropChip the picture or the item to search by is taken away
 */

const PAUSE = 180; // ms without a key before a search

export class Query {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #drags = 0;

  /** @param {QueryActs} acts */
  constructor(acts) {
    this.acts = acts;
    this.words = byId("words", HTMLInputElement);
    this.chips = byId("query-chips");
    this.lead = byId("query-lead");
    this.searching = [...this.lead.children];
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
    byId("query").addEventListener("click", (event) => {
      if (event.target === event.currentTarget) this.words.focus();
    });
    byId("clear").addEventListener("click", () => {
      acts.clear();
      this.words.focus();
    });
    const chooser = byId("choose", HTMLInputElement);
    chooser.addEventListener("change", () => {
      const [file] = chooser.files ?? [];
      chooser.value = "";
      if (file) this.#take(file);
    });
    this.#dropping();
  }

  /**
   * Shows what is asked.
   * @param {object} asked
   * @param {string} asked.text
   * @param {{label: string, small: HTMLCanvasElement} | null} asked.picture
   * @param {{label: string, address: string} | null} asked.like
   */
  show({ text, picture, like }) {
    if (this.words.value.trim() !== text.trim()) {
      clearTimeout(this.#timer);
      this.words.value = text;
    }
    const chips = [];
    if (picture) chips.push(this.#chip(picture.small, picture.label, "Remove the picture"));
    if (like) chips.push(this.#chip(h("img", { src: like.address, alt: "" }), `Like ${like.label}`, "Remove the item to search by"));
    this.chips.replaceChildren(...chips);
    this.words.placeholder = chips.length ? "Add words" : "Search by words, or drop a picture";
    this.#clearable();
  }

  /**
   * Shows a spinner in place of the glass.
   * @param {boolean} waiting
   */
  wait(waiting) {
    this.lead.replaceChildren(...(waiting ? [h("span", { class: "spinner" })] : this.searching));
  }

  focus() {
    this.words.focus();
    this.words.select();
  }

  /**
   * @param {HTMLElement} image
   * @param {string} label
   * @param {string} said of the button that takes it away
   */
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

  /** @param {File} file */
  async #take(file) {
    try {
      this.acts.picture(await keep(file));
    } catch (error) {
      this.acts.failed(asError(error));
    }
  }

  #dropping() {
    const cover = byId("drop");
    const files = (/** @type {DragEvent} */ event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
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
    addEventListener("dragover", (event) => {
      if (files(event)) event.preventDefault();
    });
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
