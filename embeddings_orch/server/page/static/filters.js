/** Filters from the columns: values to press, ranges, words to contain. */

import { byId, h, icon } from "./dom.js";
import { count, date } from "./format.js";
import { described } from "./where.js";

const TECHNICAL = ["modality", "mime", "size", "width", "height"];
const NEVER = ["id", "uri", "content_hash"];
const FIRST = 9; // values that are shown before "more"

export class Filters {
  #open = new Set();

  /** @param {{set: Function, close: Function}} acts */
  constructor(acts) {
    this.acts = acts;
    this.panel = byId("filters");
    this.active = byId("active");
    this.body = h("div", {});
    this.panel.append(
      h("div", { class: "filters-head" }, h("h2", {}, "Filters"), h("button", { type: "button", class: "ghost round", "aria-label": "Close the filters", title: "Close (f)", on: { click: acts.close } }, icon("close"))),
      this.body,
    );
  }

  /** Shows the facets of a generation and what is chosen of them. */
  show(facets, chosen) {
    const useful = ordered(facets.filter((one) => telling(one) || chosen[one.name]));
    const focused = this.body.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    this.body.replaceChildren(
      ...useful.map((facet) => this.#facet(facet, chosen)),
      useful.length ? "" : h("p", { class: "quiet" }, "All items are alike in every column."),
    );
    if (focused) [...this.body.querySelectorAll("[data-focus]")].find((one) => one.dataset.focus === focused)?.focus();
  }

  /** Shows the chosen ones as chips. */
  chips(chosen) {
    const chips = described(chosen).map(({ label, without }) =>
      h("button", { type: "button", class: "chip remove", "aria-label": `Remove the filter ${label}`, on: { click: () => this.acts.set(without) } }, h("span", { class: "label" }, label), icon("close")),
    );
    if (chips.length > 1) chips.push(h("button", { type: "button", class: "ghost small", on: { click: () => this.acts.set({}) } }, "Clear all"));
    this.active.replaceChildren(...chips);
    const number = described(chosen).length;
    byId("filters-count").hidden = number === 0;
    byId("filters-count").replaceChildren(String(number), h("span", { class: "unseen" }, " active"));
  }

  #facet(facet, chosen) {
    const filter = chosen[facet.name] ?? {};
    const set = (patch) => {
      const rest = Object.fromEntries(Object.entries({ ...filter, ...patch }).filter(([, one]) => (Array.isArray(one) ? one.length : one)));
      const { [facet.name]: _, ...others } = chosen;
      this.acts.set(Object.keys(rest).length ? { ...others, [facet.name]: rest } : others);
    };
    const body = listed(facet) ? this.#values(facet, filter, set) : facet.type === "number" || facet.type === "time" ? range(facet, filter, set) : contains(facet, filter, set);
    return h("section", { class: "facet", "aria-label": facet.name }, h("h3", {}, facet.name.replaceAll("_", " ")), body);
  }

  #values(facet, filter, set) {
    const chosen = filter.values ?? [];
    const toggle = (value) => set({ values: chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value] });
    const all = this.#open.has(facet.name) || facet.values.length <= FIRST + 2;
    const seen = facet.values.filter((one, place) => all || place < FIRST || chosen.includes(String(one.value)));
    const chips = seen.map((one) => chip(facet.name, String(one.value), one.count, chosen.includes(String(one.value)), () => toggle(String(one.value))));
    if (facet.nulls) chips.push(chip(facet.name, "none", facet.nulls, Boolean(filter.none), () => set({ none: !filter.none })));
    const more = h("button", { type: "button", class: "link" }, `All ${count(facet.values.length)} values`);
    more.addEventListener("click", () => {
      this.#open.add(facet.name);
      more.parentElement.replaceWith(this.#values(facet, filter, set));
    });
    return h("div", {}, h("div", { class: "chips" }, chips), !all && more);
  }
}

const chip = (name, label, number, pressed, act) =>
  h(
    "button",
    { type: "button", class: "chip", "aria-pressed": String(pressed), data: { focus: `${name}=${label}` }, on: { click: act } },
    h("span", { class: "label" }, label),
    h("span", { class: "count" }, count(number)),
  );

function range(facet, filter, set) {
  const time = facet.type === "time";
  const input = (kind, label) => {
    const field = h("input", {
      class: "field",
      type: time ? "date" : "number",
      step: "any",
      value: String(filter[kind] ?? ""),
      placeholder: String(facet[kind]),
      "aria-label": `${facet.name} ${label}`,
      data: { focus: `${facet.name}${kind}` },
    });
    field.addEventListener("change", () => set({ [kind]: field.value }));
    return field;
  };
  const fields = h("div", { class: time ? "range times" : "range" }, input("min", "from"), h("span", {}, "–"), input("max", "to"));
  // A field for dates shows no placeholder.
  return time ? h("div", {}, fields, h("p", { class: "facet-end" }, `${date(facet.min)} to ${date(facet.max)}`)) : fields;
}

function contains(facet, filter, set) {
  const field = h("input", { class: "field", type: "text", placeholder: "contains", value: filter.has ?? "", maxlength: "200", "aria-label": `${facet.name} contains`, data: { focus: `${facet.name}has` } });
  field.addEventListener("change", () => set({ has: field.value }));
  return field;
}

/** Whether its values are worth a list: not where each item has one of its own. */
export function listed({ values, type }) {
  return Boolean(values) && (type !== "string" || values.length <= 3 || values.some((one) => one.count > 1));
}

/** Whether a filter by it could tell items apart. */
function telling(facet) {
  if (NEVER.includes(facet.name) || facet.type === "other") return false;
  if (listed(facet)) return facet.values.length + (facet.nulls ? 1 : 0) > 1;
  if (facet.type === "number" || facet.type === "time") return facet.min !== null && facet.min !== facet.max;
  return facet.type === "string";
}

function ordered(facets) {
  const rank = (facet) => (TECHNICAL.includes(facet.name) ? 3 : listed(facet) ? 0 : facet.type === "string" ? 1 : 2);
  return [...facets].sort((one, other) => rank(one) - rank(other));
}

