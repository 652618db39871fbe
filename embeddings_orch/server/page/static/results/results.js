/** The results of one generation: a grid that grows as it is scrolled. */

import { button, h } from "../base/dom.js";
import { Grid } from "./grid.js";

/** @import {GridActs} from "./grid.js" */
/** @import {Hit} from "../base/shapes.js" */
/** @import {How} from "./tile.js" */

export class Results {
  /** @param {GridActs & {more: () => void}} acts `more` loads the next page */
  constructor(acts) {
    this.grid = new Grid("Results", acts);
    this.more = button("plus", "Show more", () => acts.more());
    this.end = h("div", { class: "more", hidden: true }, this.more);
    this.nodes = [this.grid.element, this.end];
    const near = new IntersectionObserver(
      (seen) => {
        if (seen.some((one) => one.isIntersecting) && !this.more.disabled) acts.more();
      },
      { rootMargin: "600px" },
    );
    near.observe(this.end);
  }

  wait() {
    this.end.hidden = true;
    this.grid.wait(24);
  }

  /**
   * @param {Hit[]} hits
   * @param {How} how
   * @param {boolean} further whether there may be more
   */
  show(hits, how, further) {
    this.grid.show(hits, how);
    this.#end(further);
  }

  /**
   * @param {Hit[]} hits
   * @param {How} how
   * @param {boolean} further
   */
  append(hits, how, further) {
    this.grid.append(hits, how);
    this.#end(further);
  }

  /** @param {boolean} further */
  #end(further) {
    this.end.hidden = !further;
    this.more.disabled = false;
  }
}
