/** Two generations side by side on the same query: what a change of the model would do. */

import { button, h } from "../base/dom.js";
import { modelNames, time } from "../base/format.js";
import { Grid } from "./grid.js";
import { compared } from "./moves.js";

/** @import {GridActs} from "./grid.js" */
/** @import {Generation, Hit} from "../base/shapes.js" */
/** @import {How} from "./tile.js" */

export class Compare {
  /** @param {GridActs & {close: () => void}} acts `close` ends the comparison */
  constructor(acts) {
    const side = (/** @type {string} */ name) => {
      const grid = new Grid(`Results of ${name} generation`, { ...acts, look: (id) => this.#link(id) });
      const head = h("div", { class: "side-head" });
      return { grid, head, element: h("section", { class: "side" }, head, grid.element) };
    };
    this.one = side("one");
    this.other = side("other");
    this.grids = [this.one.grid, this.other.grid];
    this.overlap = h("div", { class: "overlap", role: "note", "aria-live": "polite" });
    this.closing = button("close", "End the comparison", acts.close, { class: "button small" });
    this.columns = h("div", { class: "sides" }, this.one.element, this.other.element);
    this.nodes = [this.overlap, this.columns];
  }

  /**
   * Names the generations above their results.
   * @param {Generation} one
   * @param {Generation} other
   */
  head(one, other) {
    label(this.one, one);
    label(this.other, other);
  }

  wait() {
    this.overlap.replaceChildren(h("span", { class: "quiet" }, "Comparing…"), this.closing);
    this.grids.forEach((grid) => grid.wait(12));
  }

  /**
   * Shows both lists.
   * @param {{hits: Hit[], how: How}} one
   * @param {{hits: Hit[], how: How}} other
   */
  show(one, other) {
    const { gone, moves, common, most, share, first } = compared(one.hits, other.hits);
    this.one.grid.show(one.hits, one.how, gone);
    this.other.grid.show(other.hits, other.how, moves);
    const meter = h("meter", { "aria-label": "Overlap" });
    Object.assign(meter, { min: 0, max: 1, value: share });
    this.overlap.replaceChildren(
      h("strong", { title: "Items that both lists have" }, `${common} of ${most} in common`),
      meter,
      h("span", { class: "quiet" }, `${Math.round(share * 100)} % overlap. ${first}`),
      this.closing,
    );
  }

  /** @param {string | null} id */
  choose(id) {
    this.grids.forEach((grid) => grid.choose(id));
  }

  focus() {
    this.one.grid.focus();
  }

  /** @param {string | null} id of the item whose tiles are shown as one */
  #link(id) {
    const tiles = id === null ? [] : this.grids.map((grid) => grid.of(id)).filter((one) => one !== null);
    const both = tiles.length > 1 ? tiles : [];
    this.columns.classList.toggle("linking", both.length > 0);
    for (const linked of this.columns.querySelectorAll(".linked")) if (!both.includes(linked)) linked.classList.remove("linked");
    both.forEach((one) => one.classList.add("linked"));
  }
}

/**
 * @param {{head: HTMLElement, element: HTMLElement}} side
 * @param {Generation} one
 */
function label(side, one) {
  side.element.setAttribute("aria-label", `Generation ${one.id}, ${modelNames(one)}`);
  side.head.replaceChildren(
    h("h2", {}, modelNames(one)),
    h("span", { class: `pill ${one.published ? "good" : ""}` }, one.published ? "published" : one.passed ? "not published" : "checks did not pass"),
    h("p", {}, `${time(one.created_at)} · generation ${one.id}`),
  );
}
