/** The panel that shows one item: larger, with all that is known of it. */

import * as api from "../base/api.js";
import { button, byId, copy, find, focusAgain, focusedIn, h, icon } from "../base/dom.js";
import { score, shortTitle, title, value } from "../base/format.js";
import { shown } from "./tile.js";

/** @import {Child} from "../base/dom.js" */
/** @import {Hit, Metadata} from "../base/shapes.js" */

/**
 * Where an item is, and how it was found.
 * @typedef {{index: string, generation: string | null, meaning: string | null, mapped: boolean}} Of
 */

const LAST = ["modality", "mime", "size", "width", "height", "content_hash"];

export class Detail {
  /** @type {AbortController | null} */
  #controller = null;

  /** @param {{like: (hit: Hit) => void, map: (hit: Hit) => void, close: () => void}} acts */
  constructor(acts) {
    this.acts = acts;
    this.panel = byId("detail");
  }

  /**
   * Shows an item.
   * @param {string} id
   * @param {Hit | null} hit where it is known already
   * @param {Of} of
   */
  async show(id, hit, of) {
    this.#controller?.abort();
    if (hit) {
      this.#draw(hit, of);
      return;
    }
    const own = (this.#controller = new AbortController());
    try {
      const found = await api.item(of.index, of.generation, id, own.signal);
      if (own === this.#controller) this.#draw(found, of);
    } catch (error) {
      if (!api.aborted(error) && own === this.#controller) this.#draw({ id, uri: null, metadata: {} }, of, api.asError(error).message);
    }
  }

  hide() {
    this.#controller?.abort();
    this.panel.hidden = true;
    this.panel.replaceChildren();
  }

  /** Puts the keyboard into the panel. */
  focus() {
    find(this.panel, ".detail-close")?.focus();
  }

  /**
   * @param {Hit} hit
   * @param {Of} of
   * @param {string | null} [failed] why no more is known of it
   */
  #draw(hit, { index, generation, meaning, mapped }, failed = null) {
    const focused = focusedIn(this.panel);
    const name = title(hit);
    const address = (/** @type {number} */ size) => api.thumbnail(index, generation, hit.id, size);
    const copyId = h("button", { type: "button", class: "copy", "aria-label": "Copy the id", title: "Copy the id", on: { click: () => void copy(hit.id, copyId) } }, icon("copy"));
    /** @type {[name: string, content: Child][]} */
    const rows = [["id", [hit.id, copyId]]];
    if (meaning && typeof hit.score === "number") rows.push(["score", h("span", { title: meaning }, score(hit.score))]);
    rows.push(...entries(hit.metadata));
    this.panel.setAttribute("aria-label", name);
    this.panel.replaceChildren(
      h("button", { type: "button", class: "ghost round detail-close", "aria-label": "Close the details", title: "Close (Esc)", data: { focus: "close" }, on: { click: () => this.acts.close() } }, icon("close")),
      h("div", { class: "detail-picture" }, shown(hit, address, 384)),
      h(
        "div",
        { class: "detail-body" },
        h("h2", {}, shortTitle(hit)),
        failed && h("p", { class: "said" }, failed),
        h(
          "div",
          { class: "detail-acts" },
          button("like", "More like this", () => this.acts.like(hit), { class: "button primary", data: { focus: "like" } }),
          mapped && button("map", "On the map", () => this.acts.map(hit), { data: { focus: "map" } }),
        ),
        h("dl", { class: "facts" }, rows.flatMap(([key, content]) => [h("dt", {}, LAST.includes(key) ? key.replaceAll("_", " ") : key), h("dd", { class: String(content).length > 160 ? "long" : "" }, content)])),
      ),
    );
    this.panel.hidden = false;
    this.panel.scrollTop = 0;
    focusAgain(this.panel, focused);
  }
}

/**
 * What is known of an item, as words; what is of use to few comes last.
 * @param {Metadata} metadata
 */
function entries(metadata) {
  /** @type {[name: string, content: string][]} */
  const known = [];
  for (const [name, content] of Object.entries(metadata)) {
    const told = value(name, content);
    if (told !== null && !(name === "text" && metadata.modality === "text")) known.push([name, told]);
  }
  const rank = (/** @type {[name: string, content: string]} */ [name]) => LAST.indexOf(name);
  return known.sort((one, other) => rank(one) - rank(other));
}
