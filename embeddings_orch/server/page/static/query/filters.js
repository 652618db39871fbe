/** Filters from the columns: values to press, ranges, words to contain. */

import { byId, find, focusAgain, focusedIn, h, icon } from "../base/dom.js";
import { listed, useful } from "./facets.js";
import { count, date } from "../base/format.js";
import { changed, described, filterOf } from "../base/where.js";

/** @import {Facet, FacetValue} from "../base/shapes.js" */
/** @import {Filter, Filters as Chosen} from "../base/where.js" */

/** @typedef {(patch: Filter) => void} Patch changes one column's filter */

const FIRST = 9; // values that are shown before "more"
const WIDE = matchMedia("(min-width: 1280px)"); // the panel stands beside the results; else it lies over them

export class Filters {
  /** @type {Set<string>} */
  #whole = new Set();
  #opened = WIDE.matches;
  #usable = true;

  /** @param {(chosen: Chosen) => void} set */
  constructor(set) {
    this.set = set;
    this.panel = byId("filters");
    this.active = byId("active");
    this.body = h("div");
    const close = h("button", { type: "button", class: "ghost round", "aria-label": "Close the filters", title: "Close (f)", on: { click: () => this.toggle(false) } }, icon("close"));
    this.panel.append(h("div", { class: "filters-head" }, h("h2", {}, "Filters"), close), this.body);
    WIDE.addEventListener("change", () => {
      this.#opened = WIDE.matches;
      this.#place();
    });
    this.#place();
  }

  /** Whether it lies over the results now. */
  get covers() {
    return this.#opened && !WIDE.matches;
  }

  /**
   * Opens or closes the panel.
   * @param {boolean} [wanted]
   */
  toggle(wanted = !this.#opened) {
    this.#opened = wanted;
    this.#place();
    if (!wanted) byId("filters-toggle").focus();
    else if (!WIDE.matches) find(this.panel, "button")?.focus();
  }

  /**
   * Shows the facets of a generation and what is chosen of them.
   * @param {Facet[]} facets
   * @param {Chosen} chosen
   * @param {boolean} usable whether there is anything to filter
   */
  show(facets, chosen, usable) {
    this.#usable = usable;
    this.#place();
    this.#chips(chosen);
    const shown = useful(facets, chosen);
    const focused = focusedIn(this.body);
    this.body.replaceChildren(
      ...shown.map((facet) => this.#facet(facet, chosen)),
      shown.length ? "" : h("p", { class: "quiet" }, "All items are alike in every column."),
    );
    focusAgain(this.body, focused);
  }

  #place() {
    this.panel.hidden = !this.#opened || !this.#usable;
    byId("filters-toggle").setAttribute("aria-expanded", String(this.#opened));
  }

  /**
   * Shows what is chosen as chips.
   * @param {Chosen} chosen
   */
  #chips(chosen) {
    const chips = described(chosen).map(({ label, without }) =>
      h("button", { type: "button", class: "chip remove", "aria-label": `Remove the filter ${label}`, on: { click: () => this.set(without) } }, h("span", { class: "label" }, label), icon("close")),
    );
    const badge = byId("filters-count");
    badge.hidden = chips.length === 0;
    badge.replaceChildren(String(chips.length), h("span", { class: "unseen" }, " active"));
    if (chips.length > 1) chips.push(h("button", { type: "button", class: "ghost small", on: { click: () => this.set({}) } }, "Clear all"));
    this.active.replaceChildren(...chips);
  }

  /**
   * @param {Facet} facet
   * @param {Chosen} chosen
   */
  #facet(facet, chosen) {
    const filter = filterOf(chosen, facet.name) ?? {};
    const set = (/** @type {Filter} */ patch) => this.set(changed(chosen, facet.name, patch));
    const body = listed(facet) ? this.#values(facet, filter, set) : facet.type === "number" || facet.type === "time" ? range(facet, filter, set) : contains(facet, filter, set);
    return h("section", { class: "facet", "aria-label": facet.name }, h("h3", {}, facet.name.replaceAll("_", " ")), body);
  }

  /**
   * @param {Facet & {values: FacetValue[]}} facet
   * @param {Filter} filter
   * @param {Patch} set
   * @returns {HTMLElement}
   */
  #values(facet, filter, set) {
    const chosen = filter.values ?? [];
    const toggle = (/** @type {string} */ value) => set({ values: chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value] });
    const all = this.#whole.has(facet.name) || facet.values.length <= FIRST + 2;
    const seen = facet.values.filter((one, place) => all || place < FIRST || chosen.includes(String(one.value)));
    const chips = seen.map((one) => chip(facet.name, String(one.value), one.count, chosen.includes(String(one.value)), () => toggle(String(one.value))));
    if (facet.nulls) chips.push(chip(facet.name, "none", facet.nulls, Boolean(filter.none), () => set({ none: !filter.none })));
    const open = () => {
      this.#whole.add(facet.name);
      body.replaceWith(this.#values(facet, filter, set));
    };
    const more = h("button", { type: "button", class: "link", on: { click: open } }, `All ${count(facet.values.length)} values`);
    const body = h("div", {}, h("div", { class: "chips" }, chips), !all && more);
    return body;
  }
}

/**
 * @param {string} name
 * @param {string} label
 * @param {number} number
 * @param {boolean} pressed
 * @param {() => void} act
 */
const chip = (name, label, number, pressed, act) =>
  h(
    "button",
    { type: "button", class: "chip", "aria-pressed": String(pressed), data: { focus: `${name}=${label}` }, on: { click: act } },
    h("span", { class: "label" }, label),
    h("span", { class: "count" }, count(number)),
  );

/**
 * @param {Facet} facet
 * @param {Filter} filter
 * @param {Patch} set
 */
function range(facet, filter, set) {
  const clock = facet.type === "time" && /^\d\d:/.test(String(facet.min));
  const time = facet.type === "time" && !clock;
  const input = (/** @type {"min" | "max"} */ kind, /** @type {string} */ label) => {
    const field = h("input", {
      class: "field",
      type: clock ? "time" : time ? "date" : "number",
      step: "any",
      value: filter[kind] ?? "",
      placeholder: String(facet[kind] ?? ""),
      "aria-label": `${facet.name} ${label}`,
      data: { focus: `${facet.name}${kind}` },
    });
    field.addEventListener("change", () => set({ [kind]: field.value }));
    return field;
  };
  const fields = h("div", { class: time ? "range times" : "range" }, input("min", "from"), h("span", {}, "–"), input("max", "to"));
  if (!time || facet.min === null || facet.max === null) return fields;
  // A field for dates shows no placeholder.
  return h("div", {}, fields, h("p", { class: "facet-end" }, `${date(String(facet.min))} to ${date(String(facet.max))}`));
}

/**
 * @param {Facet} facet
 * @param {Filter} filter
 * @param {Patch} set
 */
function contains(facet, filter, set) {
  const field = h("input", { class: "field", type: "text", placeholder: "contains", value: filter.has ?? "", maxlength: "200", "aria-label": `${facet.name} contains`, data: { focus: `${facet.name}has` } });
  field.addEventListener("change", () => set({ has: field.value }));
  return field;
}
