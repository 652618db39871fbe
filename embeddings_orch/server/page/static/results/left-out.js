/** What a search cannot find: items without a vector, and files that are not among the items. */

import * as api from "../base/api.js";
import { byId, h } from "../base/dom.js";
import { count, some } from "../base/format.js";
import { keyOf } from "../base/published.js";

/** @import {Generation, Index, LeftOutAnswer} from "../base/shapes.js" */

/**
 * What is missing from a generation, in one line; empty where nothing is.
 * @param {Pick<Index, "left_out" | "passed_over">} index
 * @param {Pick<Generation, "models">} generation
 */
export function leftOutLine({ left_out: leftOut, passed_over: passedOver }, { models }) {
  const lacking = models.filter(({ items_without_vector: lack }) => lack);
  const of = (/** @type {string} */ column) => (models.length > 1 ? ` of ${column}` : "");
  const parts = lacking.map(({ column, items_without_vector: lack }) => `${some(lack ?? 0, "item")} without a vector${of(column)}`);
  if (leftOut) parts.push(`${count(leftOut)} left out`);
  if (passedOver) parts.push(`${some(passedOver, "file")} passed over`);
  return parts.join(" · ");
}

/**
 * The lines of the list: each with what it is about, and why.
 * @param {LeftOutAnswer} answer
 * @returns {{name: string, reason: string}[]}
 */
export function leftOutRows({ media, embeddings, failures, failed }) {
  const several = embeddings.length > 1;
  const rows = failed.map(({ embedding, id, reason }) => ({ name: id, reason: several ? `${embedding}: ${reason}` : reason }));
  if (failures > failed.length) rows.push({ name: `and ${some(failures - failed.length, "item")} more`, reason: "embeddings-orch failures lists them" });
  for (const { embedding, not_embedded: waiting, nothing_to_embed: nothing } of embeddings) {
    if (waiting) rows.push({ name: some(waiting, "item"), reason: `${embedding}: not embedded yet` });
    if (nothing) rows.push({ name: some(nothing, "item"), reason: `${embedding}: nothing to embed, which is no failure` });
  }
  rows.push(...media.left_out_named.map(({ item, reason }) => ({ name: item, reason })));
  const unnamed = media.left_out - media.left_out_named.length;
  if (unnamed > 0) rows.push({ name: `and ${count(unnamed)} more`, reason: "left out" });
  for (const { kind, count: number, examples, advice } of media.passed_over_kinds) {
    const more = number > examples.length ? ", …" : "";
    rows.push({ name: `${some(number, "file")} passed over: ${kind}`, reason: `${examples.join(", ")}${more}: ${advice}` });
  }
  return rows;
}

/** The line below the status, which opens to a list. */
export class LeftOut {
  #shown = "";
  #index = "";

  constructor() {
    this.place = byId("left-out", HTMLDetailsElement);
    this.line = byId("left-out-line");
    this.list = byId("left-out-list");
    this.place.addEventListener("toggle", () => this.place.open && this.#load());
  }

  /**
   * Shows what is missing from a generation.
   * @param {Index | null} index
   * @param {Generation | null} generation
   */
  show(index, generation) {
    const line = index && generation ? leftOutLine(index, generation) : "";
    const shown = index && generation ? `${keyOf(index)} ${generation.id} ${line}` : "";
    this.place.hidden = line === "";
    if (shown === this.#shown || !index) return;
    this.#shown = shown;
    this.#index = keyOf(index);
    this.line.textContent = line;
    this.place.open = false;
    this.list.replaceChildren();
  }

  async #load() {
    const shown = this.#shown;
    try {
      const answer = await api.leftOut(this.#index);
      if (shown !== this.#shown) return;
      const rows = leftOutRows(answer).map(({ name, reason }) => h("li", {}, h("span", { class: "name" }, name), " ", h("span", { class: "said" }, reason)));
      this.list.replaceChildren(h("p", { class: "said" }, "By the last scan:"), h("ul", {}, rows));
    } catch (error) {
      if (shown === this.#shown) this.list.replaceChildren(h("p", { class: "said" }, api.asError(error).message));
    }
  }
}
