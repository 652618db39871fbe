/** Two generations side by side on the same query: what a change of the model would do. */

import { h, button } from "./dom.js";
import { modelNames, time } from "./format.js";
import { Grid } from "./grid.js";

/** How each item moved from one list to the other, by id. */
export function moves(from, to) {
  const places = new Map(from.map((hit, place) => [hit.id, place]));
  return new Map(
    to.map((hit, place) => {
      const before = places.get(hit.id);
      if (before === undefined) return [hit.id, { kind: "new", label: "new", said: "new" }];
      const moved = before - place;
      if (moved === 0) return [hit.id, { kind: "same", label: "=", said: "same place" }];
      const up = moved > 0;
      return [hit.id, { kind: up ? "up" : "down", label: `${up ? "▲" : "▼"} ${Math.abs(moved)}`, said: `${Math.abs(moved)} ${up ? "up" : "down"}` }];
    }),
  );
}

export class Compare {
  /** @param {Object} acts those of a grid; `close` ends the comparison */
  constructor(acts) {
    const look = (id) => this.#link(id);
    this.sides = ["one", "other"].map((name) => {
      const grid = new Grid(`Results of ${name} generation`, {
        ...acts,
        like: (hit) => acts.like(hit, name === "other"),
        open: (hit) => acts.open(hit, name === "other"),
        moved: (id) => acts.moved?.(id, name === "other"),
        look,
      });
      const head = h("div", { class: "side-head" });
      return { grid, head, element: h("section", { class: "side" }, head, grid.element), hits: null };
    });
    this.overlap = h("div", { class: "overlap", role: "note", "aria-live": "polite" });
    this.closing = button("close", "End the comparison", acts.close, { class: "button small" });
    this.columns = h("div", { class: "sides" }, this.sides.map((side) => side.element));
    this.nodes = [this.overlap, this.columns];
  }

  /** Names the generations above their results. */
  head(generations) {
    this.sides.forEach((side, place) => {
      const one = generations[place];
      side.element.setAttribute("aria-label", `Generation ${one.id}, ${modelNames(one)}`);
      side.head.replaceChildren(
        h("h2", {}, modelNames(one)),
        h("span", { class: `pill ${one.published ? "good" : ""}` }, one.published ? "published" : one.passed ? "not published" : "checks did not pass"),
        h("p", {}, `${time(one.created_at)} · generation ${one.id}`),
      );
    });
  }

  wait() {
    this.overlap.replaceChildren(h("span", { class: "quiet" }, "Comparing…"), this.closing);
    this.sides.forEach((side) => side.grid.wait(12));
  }

  /** Shows both lists; `hows` as `tile` has it. */
  show([one, other], hows) {
    const there = new Set(other.map((hit) => hit.id));
    const common = one.filter((hit) => there.has(hit.id)).length;
    const most = Math.max(one.length, other.length);
    const gone = new Map(one.filter((hit) => !there.has(hit.id)).map((hit) => [hit.id, { kind: "gone", label: "gone", said: "not in the other", class: "gone" }]));
    this.sides[0].grid.show(one, hows[0], gone);
    this.sides[1].grid.show(other, hows[1], moves(one, other));
    const share = most ? common / most : 1;
    const first = one[0] && other[0] ? (one[0].id === other[0].id ? "The first hit is the same." : "The first hit is another.") : "";
    const meter = h("meter", { "aria-label": "Overlap" });
    Object.assign(meter, { min: 0, max: 1, value: share });
    this.overlap.replaceChildren(
      h("strong", { title: "Items that both lists have" }, `${common} of ${most} in common`),
      meter,
      h("span", { class: "quiet" }, `${Math.round(share * 100)} % overlap. ${first}`),
      this.closing,
    );
  }

  choose(id) {
    this.sides.forEach((side) => side.grid.choose(id));
  }

  focus() {
    this.sides[0].grid.focus();
  }

  #link(id) {
    const tiles = id === null ? [] : this.sides.map((side) => side.grid.of(id)).filter(Boolean);
    this.columns.classList.toggle("linking", tiles.length > 1);
    for (const linked of this.columns.querySelectorAll(".linked")) if (!tiles.includes(linked)) linked.classList.remove("linked");
    if (tiles.length > 1) tiles.forEach((one) => one.classList.add("linked"));
  }
}
