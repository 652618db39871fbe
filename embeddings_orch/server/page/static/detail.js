/** The panel that shows one item: larger, with all that is known of it. */

import * as api from "./api.js";
import { button, byId, copy, h, icon } from "./dom.js";
import { score, shortTitle, title, value } from "./format.js";
import { shown } from "./tile.js";

const LAST = ["modality", "mime", "size", "width", "height", "content_hash"];

export class Detail {
  #controller = null;

  /** @param {{like: Function, map: Function, close: Function}} acts */
  constructor(acts) {
    this.acts = acts;
    this.panel = byId("detail");
  }

  /** Whether it is to be seen. */
  get open() {
    return !this.panel.hidden;
  }

  /**
   * Shows an item.
   * @param {string} id
   * @param {Object|null} hit where it is known already
   * @param {{index: string, generation: string|null, meaning: string|null, mapped: boolean}} of
   */
  async show(id, hit, of) {
    this.#controller?.abort();
    if (hit) return this.#draw(hit, of);
    const own = (this.#controller = new AbortController());
    try {
      const found = await api.item(of.index, of.generation, id, own.signal);
      if (own === this.#controller) this.#draw(found, of);
    } catch (error) {
      if (error.name !== "AbortError" && own === this.#controller) this.#draw({ id, uri: null, metadata: {} }, of, error.message);
    }
    return undefined;
  }

  hide() {
    this.#controller?.abort();
    this.panel.hidden = true;
    this.panel.replaceChildren();
  }

  /** Puts the keyboard into the panel. */
  focus() {
    this.panel.querySelector(".detail-close")?.focus();
  }

  #draw(hit, { index, generation, meaning, mapped }, failed = null) {
    const focused = this.panel.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    const name = title(hit);
    const address = (size) => api.thumbnail(index, generation, hit.id, size);
    const copyId = h("button", { type: "button", class: "copy", "aria-label": "Copy the id", title: "Copy the id", on: { click: () => copy(hit.id, copyId) } }, icon("copy"));
    const rows = [["id", [hit.id, copyId]]];
    if (meaning && Number.isFinite(hit.score)) rows.push(["score", h("span", { title: meaning }, score(hit.score))]);
    for (const [key, content] of entries(hit.metadata)) rows.push([key, content]);
    this.panel.setAttribute("aria-label", name);
    this.panel.replaceChildren(
      h("button", { type: "button", class: "ghost round detail-close", "aria-label": "Close the details", title: "Close (Esc)", data: { focus: "close" }, on: { click: this.acts.close } }, icon("close")),
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
        h("dl", { class: "facts" }, rows.flatMap(([key, content]) => [h("dt", {}, key.replaceAll("_", " ")), h("dd", { class: String(content).length > 160 ? "long" : "" }, content)])),
      ),
    );
    this.panel.hidden = false;
    this.panel.scrollTop = 0;
    if (focused) this.panel.querySelector(`[data-focus="${focused}"]`)?.focus();
  }
}

function entries(metadata = {}) {
  const known = Object.entries(metadata)
    .map(([name, content]) => [name, value(name, content)])
    .filter(([name, content]) => content !== null && !(name === "text" && metadata.modality === "text"));
  const rank = ([name]) => LAST.indexOf(name);
  return known.sort((one, other) => rank(one) - rank(other));
}
