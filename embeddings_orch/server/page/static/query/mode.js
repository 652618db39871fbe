/** How to search: by which embeddings, and how much by words. */

import { byId, focusAgain, focusedIn, h } from "../base/dom.js";
import { modelName } from "../base/format.js";
import { reading } from "./request.js";

/** @import {Generation, Index} from "../base/shapes.js" */
/** @import {PageState, SetState} from "../base/state.js" */

const HYBRID = 0.5; // the vectors' share to begin with

/**
 * Shows the choices that make sense for what is asked.
 * @param {PageState} state
 * @param {Index} index
 * @param {Generation} generation
 * @param {SetState} set
 */
export function showMode(state, index, generation, set) {
  const place = byId("mode");
  const focused = focusedIn(place);
  place.replaceChildren(...[embeddings(state, generation, set), hybrid(state, index, set)].filter((one) => one !== null));
  focusAgain(place, focused);
}

/**
 * @param {PageState} state
 * @param {Generation} generation
 * @param {SetState} set
 */
function embeddings(state, generation, set) {
  const { models } = generation;
  if (models.length < 2) return null;
  const readers = state.like !== null ? models : reading(models, state.picture !== null ? "image" : "text");
  const chosen = state.column === "*" && readers.length > 1 ? "*" : (readers.find((one) => one.column === state.column) ?? readers[0])?.column;
  const one = (/** @type {string} */ value, /** @type {string} */ label, /** @type {string} */ title, /** @type {boolean} */ disabled) =>
    h("button", { type: "button", "aria-pressed": String(value === chosen), title, disabled, data: { focus: value }, on: { click: () => set({ column: value }) } }, label);
  return h(
    "span",
    { class: "segments", role: "group", "aria-label": "Search by" },
    models.map((model) => {
      const can = readers.includes(model);
      const reads = `${modelName(model)} (${model.provider}, ${model.dimensions} numbers), of ${model.input}`;
      return one(model.column, model.column, can ? reads : `${reads}: cannot read this query`, !can);
    }),
    one("*", "all", "All embeddings that can read the query, fused", readers.length < 2),
  );
}

/**
 * @param {PageState} state
 * @param {Index} index
 * @param {SetState} set
 */
function hybrid(state, index, set) {
  if (!index.full_text.length) return null;
  const both = (state.picture !== null || state.like !== null) && state.text.trim() !== "";
  const on = state.alpha !== null || both;
  const check = h("input", { type: "checkbox", role: "switch", checked: on, disabled: both, data: { focus: "hybrid" } });
  check.addEventListener("change", () => set({ alpha: check.checked ? HYBRID : null }));
  /** @type {HTMLElement[]} */
  const parts = [h("label", { class: "switch", title: `Search the words of ${index.full_text.join(" and ")} as well` }, check, "Hybrid")];
  if (on) {
    const slider = h("input", { type: "range", min: "0", max: "1", step: "0.05", "aria-label": "Words or meaning", data: { focus: "alpha" } });
    slider.value = String(state.alpha ?? HYBRID);
    slider.setAttribute("aria-valuetext", `${Math.round(slider.valueAsNumber * 100)} % meaning`);
    slider.addEventListener("change", () => set({ alpha: slider.valueAsNumber }, { typing: true }));
    parts.push(h("span", { class: "balance" }, "words", slider, "meaning"));
  }
  return h("span", { class: "tools-group" }, parts);
}
