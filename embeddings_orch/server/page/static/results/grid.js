/** Tiles in rows, with arrow keys and a place that the keyboard comes back to. */

import { find, h, targetOf } from "../base/dom.js";
import { bones, tile } from "./tile.js";

/** @import {Hit} from "../base/shapes.js" */
/** @import {How, Mark, TileActs} from "./tile.js" */

/**
 * `leave` when the keyboard goes up from the first row, `moved` when it goes to another tile, `look` when a tile gets or
 * loses pointer or focus.
 * @typedef {TileActs & {leave?: () => void, moved?: (id: string) => void, look?: (id: string | null) => void}} GridActs
 */

/** @type {Readonly<{[key: string]: number}>} */
const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

export class Grid {
  /** @type {Hit[]} */
  hits = [];

  /**
   * @param {string} label its accessible name
   * @param {GridActs} acts
   */
  constructor(label, acts) {
    this.acts = acts;
    this.element = h("ol", { class: "grid", role: "list", "aria-label": label });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("focusin", (event) => this.#at(tileOf(targetOf(event))));
    for (const name of ["focusin", "pointerover"]) this.element.addEventListener(name, (event) => acts.look?.(idOf(targetOf(event))));
    for (const name of ["focusout", "pointerleave"]) this.element.addEventListener(name, () => acts.look?.(null));
  }

  /**
   * Shows skeletons in place of tiles.
   * @param {number} number
   */
  wait(number) {
    this.hits = [];
    this.element.setAttribute("aria-busy", "true");
    this.element.replaceChildren(...bones(number));
  }

  /**
   * Replaces the tiles.
   * @param {Hit[]} hits
   * @param {How} how
   * @param {Map<string, Mark>} [marks] by id
   */
  show(hits, how, marks = new Map()) {
    const focused = this.element.contains(document.activeElement) ? idOf(document.activeElement) : null;
    this.hits = hits;
    this.element.removeAttribute("aria-busy");
    this.element.replaceChildren(...hits.map((hit) => tile(hit, { ...how, ...this.acts, mark: marks.get(hit.id) })));
    this.#enter(this.#tiles()[0]);
    if (focused !== null) frameOf(this.of(focused) ?? this.#tiles()[0])?.focus({ preventScroll: true });
  }

  /**
   * Shows more tiles after those that are there.
   * @param {Hit[]} hits
   * @param {How} how
   */
  append(hits, how) {
    const known = new Set(this.hits.map((hit) => hit.id));
    const others = hits.filter((hit) => !known.has(hit.id));
    this.hits = [...this.hits, ...others];
    this.element.append(...others.map((hit) => tile(hit, { ...how, ...this.acts })));
  }

  /**
   * The tile of an item.
   * @param {string} id
   */
  of(id) {
    return this.#tiles().find((one) => idOf(one) === id) ?? null;
  }

  /**
   * Marks the item that is shown in detail.
   * @param {string | null} id
   */
  choose(id) {
    for (const one of this.#tiles()) {
      const chosen = id !== null && idOf(one) === id;
      one.classList.toggle("chosen", chosen);
      if (chosen) frameOf(one)?.setAttribute("aria-current", "true");
      else frameOf(one)?.removeAttribute("aria-current");
    }
  }

  /** Puts the keyboard on the tile it was on last, else the first. */
  focus() {
    (find(this.element, '.frame[tabindex="0"]') ?? find(this.element, "button.frame"))?.focus();
  }

  #tiles() {
    return [...this.element.children];
  }

  /** @param {Element | null} entered */
  #at(entered) {
    if (entered) this.#enter(entered);
  }

  /** @param {Element | undefined} entered the tile whose buttons the Tab key comes to */
  #enter(entered) {
    for (const one of this.#tiles()) for (const button of one.querySelectorAll("button")) button.tabIndex = one === entered ? 0 : -1;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = targetOf(event);
    const tiles = this.#tiles();
    const place = tiles.findIndex((one) => one === tileOf(target));
    const hit = this.hits[place];
    if (!hit) return;
    const columns = getComputedStyle(this.element).gridTemplateColumns.split(" ").length;
    const step = event.key === "ArrowUp" ? -columns : event.key === "ArrowDown" ? columns : STEPS[event.key];
    if (step !== undefined) {
      event.preventDefault();
      if (event.key === "ArrowUp" && place < columns) this.acts.leave?.();
      else this.#go(tiles[Math.min(tiles.length - 1, Math.max(0, place + step))]);
    } else if (event.key === "Enter" && target?.classList.contains("frame")) {
      event.preventDefault(); // a press of the button would open the detail
      this.acts.like(hit);
    }
  }

  /** @param {Element | undefined} next the tile that the keyboard goes to */
  #go(next) {
    const frame = frameOf(next);
    frame?.focus();
    frame?.scrollIntoView({ block: "nearest" });
    const id = idOf(next);
    if (id !== null) this.acts.moved?.(id);
  }
}

/**
 * @param {Element | null | undefined} element in a tile, or the tile
 * @returns {HTMLElement | null}
 */
const tileOf = (element) => element?.closest(".tile") ?? null;

/** @param {Element | null | undefined} element in a tile, or the tile */
const idOf = (element) => tileOf(element)?.dataset.id ?? null;

/** @param {Element | null | undefined} one a tile */
const frameOf = (one) => find(one, ".frame");
