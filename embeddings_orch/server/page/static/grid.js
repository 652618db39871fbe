/** Tiles in rows, with arrow keys and a place that the keyboard comes back to. */

import { h } from "./dom.js";
import { bones, tile } from "./tile.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

export class Grid {
  /**
   * @param {string} label its accessible name
   * @param {{like: Function, open: Function, leave?: Function, look?: Function}} acts `leave` when the keyboard goes up
   *   from the first row, `look` when a tile gets or loses pointer or focus
   */
  constructor(label, acts) {
    this.acts = acts;
    this.hits = [];
    this.element = h("ol", { class: "grid", role: "list", "aria-label": label });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("focusin", (event) => this.#at(event.target));
    for (const name of ["focusin", "pointerover"]) this.element.addEventListener(name, (event) => acts.look?.(this.#id(event.target)));
    for (const name of ["focusout", "pointerleave"]) this.element.addEventListener(name, () => acts.look?.(null));
  }

  /** Skeletons in place of tiles. */
  wait(number) {
    this.hits = [];
    this.element.setAttribute("aria-busy", "true");
    this.element.replaceChildren(...bones(number));
  }

  /** Replaces the tiles; `how` as `tile` has it, `marks` by id. */
  show(hits, how, marks = new Map()) {
    const focused = this.element.contains(document.activeElement) ? this.#id(document.activeElement) : null;
    this.hits = hits;
    this.element.removeAttribute("aria-busy");
    this.element.replaceChildren(...hits.map((hit) => tile(hit, { ...how, ...this.acts, mark: marks.get(hit.id) })));
    this.#enter(this.#tiles()[0]);
    if (focused !== null) (this.of(focused) ?? this.#tiles()[0])?.querySelector(".frame")?.focus({ preventScroll: true });
  }

  /** More tiles after those that are there. */
  append(hits, how) {
    const known = new Set(this.hits.map((hit) => hit.id));
    const others = hits.filter((hit) => !known.has(hit.id));
    this.hits = [...this.hits, ...others];
    this.element.append(...others.map((hit) => tile(hit, { ...how, ...this.acts })));
  }

  /** The tile of an item. */
  of(id) {
    return this.#tiles().find((one) => one.dataset.id === id) ?? null;
  }

  /** Marks the item that is shown in detail. */
  choose(id) {
    for (const one of this.#tiles()) {
      one.classList.toggle("chosen", one.dataset.id === id);
      const frame = one.querySelector(".frame");
      if (one.dataset.id === id) frame?.setAttribute("aria-current", "true");
      else frame?.removeAttribute("aria-current");
    }
  }

  /** Puts the keyboard on the tile it was on last, else the first. */
  focus() {
    (this.element.querySelector('.frame[tabindex="0"]') ?? this.element.querySelector("button.frame"))?.focus();
  }

  #tiles() {
    return [...this.element.children];
  }

  #id(element) {
    return element.closest?.(".tile")?.dataset.id ?? null;
  }

  #enter(entered) {
    for (const one of this.#tiles()) for (const button of one.querySelectorAll("button")) button.tabIndex = one === entered ? 0 : -1;
  }

  #at(element) {
    const entered = element.closest(".tile");
    if (entered) this.#enter(entered);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tiles = this.#tiles();
    const place = tiles.indexOf(event.target.closest(".tile"));
    if (place < 0) return;
    const hit = this.hits[place];
    const columns = getComputedStyle(this.element).gridTemplateColumns.split(" ").length;
    const step = { ...STEPS, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      if (event.key === "ArrowUp" && place < columns) return this.acts.leave?.();
      const next = tiles[Math.min(tiles.length - 1, Math.max(0, place + step))]?.querySelector(".frame");
      next?.focus();
      next?.scrollIntoView({ block: "nearest" });
      this.acts.moved?.(this.#id(next));
    } else if (event.key === "Enter" && event.target.classList.contains("frame")) {
      event.preventDefault(); // a press of the button would open the detail
      this.acts.like(hit);
    }
  }
}
