/** The map of all points of a generation: to look at, pan, zoom and press. */

import * as api from "../base/api.js";
import { MOST } from "../base/colours.js";
import { button, byId, h } from "../base/dom.js";
import { listed } from "../query/facets.js";
import { count } from "../base/format.js";
import { choices, legend } from "./choices.js";
import { Drawing } from "./drawing.js";
import { message } from "../base/messages.js";

/** @import {Known} from "../base/known.js" */
/** @import {Facet, Generation, Hit, MapAnswer} from "../base/shapes.js" */

/**
 * The map of a generation's column.
 * @typedef {{index: string, generation: Generation, column: string, facets: Facet[]}} What
 *
 * @typedef {object} MapActs
 * @property {(id: string) => void} open
 * @property {(column: string) => void} column another map was chosen
 * @property {Known} known
 */

export class MapView {
  /** @type {AbortController | null} */
  #loading = null;
  /** @type {string | null} */
  #key = null;
  /** @type {What | null} */
  #what = null;
  /** @type {Drawing | null} */
  #drawing = null;
  /**
   * The column to colour by; null for one colour, undefined until one is chosen.
   * @type {string | null | undefined}
   */
  #by;
  /** @type {string[] | null} */
  #found = null;
  /** @type {string | null} */
  #chosen = null;

  /** @param {MapActs} acts */
  constructor(acts) {
    this.acts = acts;
    this.section = byId("map");
    document.documentElement.addEventListener("theme", () => {
      this.#drawing?.restyle();
      this.#choices();
    });
  }

  /**
   * Shows a map. One that is shown already gets the columns, which may be known later than the points.
   * @param {What} what
   */
  async show(what) {
    const { index, generation, column } = what;
    const key = `${index} ${generation.id} ${column}`;
    this.#what = what;
    if (key === this.#key) {
      await this.#columnsKnown();
      return;
    }
    this.#loading?.abort();
    const own = (this.#loading = new AbortController());
    this.#key = key;
    this.#drawing?.close();
    this.#drawing = null;
    this.section.replaceChildren(h("div", { class: "map" }, h("div", { class: "message" }, h("span", { class: "spinner" }), h("p", {}, "Loading the map…"))));
    try {
      const map = await api.map(index, generation.id, column, own.signal);
      if (own !== this.#loading) return;
      this.#begin(map, index);
      await this.#columnsKnown();
    } catch (error) {
      if (api.aborted(error) || own !== this.#loading) return;
      this.#key = null;
      this.#failed(api.asError(error), what);
    }
  }

  /**
   * Marks what the query found; null where nothing is asked.
   * @param {Hit[] | null} hits
   */
  found(hits) {
    this.#found = hits?.length ? hits.map((hit) => hit.id) : null;
    this.#drawing?.mark(this.#found);
  }

  /**
   * Marks an item.
   * @param {string | null} id
   * @param {boolean} [go] whether the map moves to it
   */
  choose(id, go = false) {
    this.#chosen = id;
    this.#drawing?.choose(id, go);
  }

  focus() {
    this.#drawing?.overlay.canvas.focus();
  }

  /**
   * @param {MapAnswer} map
   * @param {string} index
   */
  #begin(map, index) {
    const { generation } = map;
    this.#drawing = new Drawing(map, this.#chosen, {
      open: this.acts.open,
      known: this.acts.known,
      address: (id, size) => api.thumbnail(index, generation, id, size),
      item: (id) => api.item(index, generation, id).catch(() => null),
      pictured: () => this.#pictured(),
    });
    this.section.replaceChildren(this.#drawing.element);
    this.#drawing.mark(this.#found);
    this.#choices();
  }

  #pictured() {
    const kinds = this.#what?.facets.find((one) => one.name === "modality");
    return Boolean(kinds) && (!kinds?.values || kinds.values.some((one) => one.value === "image"));
  }

  /** The columns whose values have colours. */
  #columns() {
    return (this.#what?.facets ?? []).filter(listed).filter((one) => one.values.length > 1);
  }

  async #columnsKnown() {
    if (!this.#drawing) return;
    const columns = this.#columns();
    if (this.#by === undefined && columns.length) {
      this.#by = columns.find((one) => !["modality", "mime"].includes(one.name) && one.values.length <= MOST)?.name ?? null;
    }
    const by = this.#by ?? null;
    if (by !== null && by !== this.#drawing.by && columns.some((one) => one.name === by)) await this.#colour(by);
    else this.#choices();
  }

  /** @param {string | null} by */
  async #colour(by) {
    this.#by = by;
    const [drawing, what] = [this.#drawing, this.#what];
    if (!drawing || !what) return;
    Object.assign(drawing, { by, off: new Set(), codes: null });
    const facet = this.#columns().find((one) => one.name === by);
    if (facet) {
      const found = await api.values(what.index, drawing.about.generation, facet.name).catch(() => null);
      if (drawing !== this.#drawing || by !== this.#by) return;
      if (found) drawing.codes = drawing.points.codes(found, facet.values);
    }
    this.#choices();
    drawing.repaint();
  }

  #choices() {
    const [drawing, what] = [this.#drawing, this.#what];
    if (!drawing || !what) return;
    const { column, generation } = what;
    const columns = this.#columns();
    const facet = drawing.codes ? columns.find((one) => one.name === drawing.by) : undefined;
    const names = columns.map((one) => one.name);
    drawing.top.replaceChildren(
      ...choices({ drawing, maps: generation.maps, column, columns: names, by: facet?.name ?? null }, { column: this.acts.column, colour: (by) => this.#colour(by) }),
    );
    drawing.legend.hidden = !facet;
    if (facet) drawing.legend.replaceChildren(...legend(drawing, facet.values));
    drawing.overlay.canvas.setAttribute("aria-label", `Map of ${count(drawing.points.number)} items by ${column}. Arrow keys move, plus and minus zoom, Enter opens the item in the middle.`);
    drawing.dirty();
  }

  /**
   * @param {Error} error
   * @param {What} what
   */
  #failed(error, what) {
    const none = error instanceof api.ApiError && error.status === 404;
    this.section.replaceChildren(
      message({
        picture: "map",
        heading: none ? "There is no map of this generation" : "The map cannot be shown",
        text: none ? `${error.message}. A map is made when a generation is built: change the setting, then run the pipeline.` : error.message,
        command: none ? `embeddings-orch run --pipeline ${what.index.split("/")[0]}` : undefined,
        acts: [button(null, "Try again", () => this.show(what), { class: "button primary" })],
      }),
    );
  }
}
