/** The results of one generation: a grid that grows as it is scrolled. */

import { button, h } from "./dom.js";
import { Grid } from "./grid.js";

export class Results {
  /** @param {Object} acts those of a grid, and `more`, which loads the next page */
  constructor(acts) {
    this.grid = new Grid("Results", acts);
    this.more = button("plus", "Show more", () => acts.more(), { class: "button" });
    this.end = h("div", { class: "more" }, this.more);
    this.end.hidden = true;
    this.nodes = [this.grid.element, this.end];
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && !this.more.disabled && acts.more(), { rootMargin: "600px" }).observe(this.end);
  }

  wait() {
    this.end.hidden = true;
    this.grid.wait(24);
  }

  show(hits, how, full) {
    this.grid.show(hits, how);
    this.end.hidden = !full;
    this.more.disabled = false;
  }

  append(hits, how, full) {
    this.grid.append(hits, how);
    this.end.hidden = !full;
    this.more.disabled = false;
  }
}
