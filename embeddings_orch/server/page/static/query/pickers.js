/** Which index and generation, and which other generation beside it. */

import { byId, focusAgain, focusedIn, h, select } from "../base/dom.js";
import { modelNames, time } from "../base/format.js";
import { keyOf } from "../base/published.js";

/** @import {Generation, Index} from "../base/shapes.js" */
/** @import {PageState, SetState} from "../base/state.js" */

/**
 * Shows the choices.
 * @param {PageState} state
 * @param {Index[]} indexes
 * @param {Index} index
 * @param {Generation | null} generation
 * @param {SetState} set
 */
export function showPickers(state, indexes, index, generation, set) {
  const place = byId("pickers");
  const focused = focusedIn(place);
  const picker = (/** @type {string} */ label, /** @type {HTMLElement} */ list) => h("span", { class: "picker" }, h("span", { "aria-hidden": "true" }, label), list);
  const parts = [];
  if (indexes.length > 1) {
    const options = indexes.map((one) => ({ value: keyOf(one), label: one.published ? keyOf(one) : `${keyOf(one)} (not published)` }));
    parts.push(picker("Index", select("Index", options, keyOf(index), (value) => set({ index: value, generation: null, against: null, column: null, filters: {}, item: null, like: null, seed: 0 }))));
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
  focusAgain(place, focused);
}

/**
 * A generation in words: when, what models, whether it is published.
 * @param {Pick<Generation, "created_at" | "models" | "published">} generation
 */
function named(generation) {
  return `${time(generation.created_at)} · ${modelNames(generation)}${generation.published ? " · published" : ""}`;
}
