/** Which index and generation, and which other generation beside it. */

import { byId, h, select } from "./dom.js";
import { modelNames, time } from "./format.js";

/** Shows the choices; `set` changes the state. */
export function showPickers(state, indexes, index, generation, set) {
  const place = byId("pickers");
  const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  const picker = (label, list) => h("span", { class: "picker" }, h("span", { "aria-hidden": "true" }, label), list);
  const parts = [];
  const key = (one) => `${one.pipeline}/${one.index}`;
  if (indexes.length > 1) {
    const options = indexes.map((one) => ({ value: key(one), label: one.published ? key(one) : `${key(one)} (not published)` }));
    parts.push(picker("Index", select("Index", options, key(index), (value) => set({ index: value, generation: null, against: null, column: null, filters: {}, item: null, like: null, seed: 0 }))));
  }
  const all = index.generations;
  if (all.length) {
    const options = all.map((one) => ({ value: one.id, label: named(one) }));
    parts.push(picker("Generation", select("Generation", options, generation?.id ?? "", (value) => set({ generation: value === index.published ? null : value, against: value === state.against ? null : state.against, item: null }))));
  }
  if (all.length > 1 && generation) {
    const others = all.filter((one) => one.id !== generation.id);
    const options = [{ value: "", label: "Compare with…" }, ...others.map((one) => ({ value: one.id, label: named(one) }))];
    parts.push(picker("", select("Compare with another generation", options, state.against ?? "", (value) => set({ against: value || null, view: "grid", item: null }))));
  }
  if (generation && !generation.published) parts.push(h("span", { class: "pill warn" }, generation.passed ? "not published" : "not published: its checks did not pass"));
  if (index.held && generation?.published) parts.push(h("span", { class: "pill", title: "New generations are built and checked, and not published" }, "held"));
  place.replaceChildren(...parts);
  if (focused) [...place.querySelectorAll("select")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
}

/** A generation in words: when, what models, whether it is published. */
export function named(generation) {
  return `${time(generation.created_at)} · ${modelNames(generation)}${generation.published ? " · published" : ""}`;
}
