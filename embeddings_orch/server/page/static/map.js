/** The map of all points of a generation: to look at, pan, zoom and press. */

import * as api from "./api.js";
import { Bins } from "./bins.js";
import { hue, MOST, paint } from "./colours.js";
import { button, byId, dot, h, select } from "./dom.js";
import { listed } from "./filters.js";
import { count } from "./format.js";
import { Card } from "./map-card.js";
import { Hand } from "./map-hand.js";
import { Overlay } from "./map-overlay.js";
import { message } from "./messages.js";
import { Plane } from "./plane.js";
import { Points2d } from "./points-2d.js";
import { PointsGl } from "./points-gl.js";
import { theme } from "./theme.js";

export class MapView {
  #loading = null;
  #frame = 0;

  /** @param {{open: Function, colour: Function, column: Function, known: Map}} acts */
  constructor(acts) {
    this.acts = acts;
    this.section = byId("map");
    this.plane = new Plane();
    this.off = new Set();
    this.hits = null;
    this.chosen = null;
    this.hover = -1;
    this.key = null;
    document.documentElement.addEventListener("theme", () => {
      if (!this.map) return;
      this.overlay.restyle();
      this.repaint();
      this.#choices();
    });
  }

  /**
   * Shows the map of a generation's column.
   * @param {{index: string, generation: Object, column: string, facets: Array}} what
   */
  async show(what) {
    const { index, generation, column } = what;
    const key = `${index} ${generation.id} ${column}`;
    this.what = what;
    if (key === this.key) return this.#late();
    this.#loading?.abort();
    const own = (this.#loading = new AbortController());
    this.key = key;
    this.map = null;
    this.section.replaceChildren(h("div", { class: "map" }, h("div", { class: "message" }, h("span", { class: "spinner" }), h("p", {}, "Loading the map…"))));
    try {
      const map = await api.map(index, generation.id, column, own.signal);
      if (own !== this.#loading) return undefined;
      this.#begin(map);
      if (this.by === undefined) this.#choices();
      else await this.#colour(this.by);
      await this.#late();
    } catch (error) {
      if (error.name === "AbortError" || own !== this.#loading) return undefined;
      this.key = null;
      this.#failed(error);
    }
    return undefined;
  }

  /** Marks what the query found; null where nothing is asked. */
  found(hits) {
    this.hits = hits?.length ? hits.map((hit) => hit.id) : null;
    if (this.map) this.repaint();
  }

  /** Marks an item; `go` moves the map to it. */
  choose(id, go = false) {
    this.chosen = id;
    const point = this.map && id !== null ? this.point(id) : -1;
    if (go && point >= 0) {
      Object.assign(this.plane, { x: this.x(point), y: this.y(point), side: Math.max(this.plane.side, this.plane.smallest * 4) });
    }
    this.dirty();
  }

  focus() {
    this.overlay?.canvas.focus();
  }

  x = (point) => this.places[2 * point] / 65535;
  y = (point) => this.places[2 * point + 1] / 65535;
  point = (id) => this.byId.get(id) ?? -1;
  /** Whether there are pictures, as far as the columns are known. */
  get pictured() {
    const kinds = this.what.facets.find((one) => one.name === "modality");
    return Boolean(kinds) && (!kinds.values || kinds.values.some((one) => one.value === "image"));
  }

  usable = (point) => !this.codes || !this.off.has(this.codes[point]);

  /** Draws with the next frame. */
  dirty() {
    if (this.map && !this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  /** Colours anew. */
  repaint() {
    this.foundPoints = this.hits && new Set(this.hits.map(this.point).filter((point) => point >= 0));
    this.drawer.paint(paint(this.map.ids.length, this.codes, this.off, this.foundPoints, theme()));
    this.dirty();
  }

  zoom(factor) {
    this.plane.zoom(factor);
    this.dirty();
  }

  fit() {
    this.plane.fit();
    this.dirty();
  }

  #begin(map) {
    const number = map.ids.length;
    this.map = map;
    this.places = new Uint16Array(2 * number);
    for (let point = 0; point < number; point += 1) {
      this.places[2 * point] = map.x[point];
      this.places[2 * point + 1] = 65535 - map.y[point];
    }
    map.x = map.y = null;
    this.byId = new Map(map.ids.map((id, point) => [id, point]));
    this.bins = new Bins(this.places);
    this.off = new Set();
    this.codes = null;
    this.hover = -1;
    this.drawer = PointsGl.make() ?? new Points2d();
    this.drawer.canvas.setAttribute("aria-hidden", "true");
    this.overlay?.close();
    this.overlay = new Overlay(this, (id, size) => api.thumbnail(this.what.index, map.generation, id, size));
    this.card = new Card(this);
    this.top = h("div", { class: "map-choices" });
    this.legend = h("div", { class: "legend", role: "group", "aria-label": "Legend", hidden: true });
    const tool = (name, label, act) => button(name, "", act, { class: "ghost round", "aria-label": label, title: label });
    const tools = h("div", { class: "map-tools" }, tool("plus", "Zoom in (+)", () => this.zoom(1.7)), tool("minus", "Zoom out (−)", () => this.zoom(1 / 1.7)), tool("fit", "All of it (0)", () => this.fit()));
    this.frame = h("div", { class: "map", data: { renderer: this.drawer.name } }, this.drawer.canvas, this.overlay.canvas, this.top, this.legend, tools, this.card.element);
    this.section.replaceChildren(this.frame);
    this.hand = new Hand(this);
    this.watch?.disconnect();
    this.watch = new ResizeObserver(() => this.#resize());
    this.watch.observe(this.frame);
    this.plane.side = 1;
    this.drawer.load(this.places, paint(number, null, this.off, null, theme()));
    this.repaint();
    this.goal = this.chosen; // when the size is known
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.frame;
    if (!width || !height) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    for (const canvas of [this.drawer.canvas, this.overlay.canvas]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.ratio = ratio;
    this.size = [width, height];
    this.plane.resize(width, height);
    if (this.goal !== null) this.choose(this.goal, true);
    this.goal = null;
    this.#draw();
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (!this.size || !this.frame.clientWidth) return;
    const number = this.map.ids.length;
    const room = Math.sqrt((this.size[0] * this.size[1]) / Math.max(1, number));
    const near = Math.sqrt(this.plane.side / this.plane.smallest);
    this.drawer.draw(this.plane, Math.min(12, Math.max(2, room * 0.22 * near)), this.ratio);
    this.overlay.draw();
  }

  /** What a pointer is over. */
  pointAt(left, top, reach = 16) {
    const [x, y] = this.plane.toPlane(left, top);
    return this.overlay.pictureAt(left, top) ?? this.bins.nearest(x, y, reach / this.plane.side, this.usable);
  }

  /** Shows the card of a point beside a place of the screen; of none where `point` is -1. */
  look(point, left, top) {
    if (point !== this.hover) {
      this.hover = point;
      this.dirty();
      if (point >= 0) this.card.fill(this.map.ids[point]);
    }
    this.card.place(point >= 0, left, top, this.size);
  }

  #columns() {
    return this.what.facets.filter((one) => listed(one) && one.values.length > 1);
  }

  #usual() {
    return this.#columns().find((one) => !["modality", "mime"].includes(one.name) && one.values.length <= MOST)?.name ?? null;
  }

  /** Columns may be known later than points. */
  #late() {
    if (!this.map) return undefined;
    if (this.by === undefined && this.#columns().length) return this.#colour(this.#usual());
    return this.#choices();
  }

  async #colour(name) {
    this.by = name;
    this.off = new Set();
    this.codes = null;
    const { index } = this.what;
    const facet = this.#columns().find((one) => one.name === name);
    if (facet) {
      const { map } = this;
      const found = await api.values(index, map.generation, name).catch(() => null);
      if (map !== this.map || this.by !== name) return;
      if (found) {
        // The most frequent first, as the filters have them.
        const order = new Map(facet.values.map((one, place) => [String(one.value), place]));
        const places = found.values.map((one) => order.get(String(one)) ?? -1);
        this.codes = new Int16Array(map.ids.length).fill(-1);
        found.ids.forEach((id, row) => {
          const point = this.byId.get(id);
          if (point !== undefined && found.codes[row] >= 0) this.codes[point] = places[found.codes[row]];
        });
      }
    }
    this.#choices();
    this.repaint();
  }

  #choices() {
    if (!this.map) return;
    const { generation, column } = this.what;
    const { map } = this;
    const parts = [];
    if (generation.maps.length > 1) parts.push(select("Map of", generation.maps.map((one) => ({ value: one, label: `map of ${one}` })), column, this.acts.column));
    const columns = this.#columns();
    if (columns.length) {
      const options = [{ value: "", label: "one colour" }, ...columns.map((one) => ({ value: one.name, label: `colour by ${one.name}` }))];
      parts.push(select("Colour by", options, this.codes ? this.by : "", (value) => this.#colour(value || null)));
    }
    const kept = map.explained ? ` · shows ${Math.round(100 * (map.explained[0] + map.explained[1]))} % of the variance` : "";
    const sample = map.ids.length < map.rows ? ` of ${count(map.rows)}` : "";
    parts.push(h("span", { class: "pill" }, `${count(map.ids.length)}${sample} points · ${map.method.toUpperCase()}${kept}`));
    this.top.replaceChildren(...parts);
    this.#legend(columns.find((one) => one.name === this.by));
    this.dirty();
    this.overlay.canvas.setAttribute("aria-label", `Map of ${count(map.ids.length)} items by ${column}. Arrow keys move, plus and minus zoom, Enter opens the item in the middle.`);
  }

  #legend(facet) {
    this.legend.hidden = !this.codes || !facet;
    if (this.legend.hidden) return;
    const entry = ({ value, count: number }, place) => {
      const press = h(
        "button",
        { type: "button", "aria-pressed": String(!this.off.has(place)), title: "Show or hide", on: { click: () => toggle(place, press) } },
        dot(hue(place, theme())),
        h("span", { class: "label" }, String(value)),
        h("span", { class: "count" }, count(number)),
      );
      return press;
    };
    const toggle = (place, press) => {
      if (!this.off.delete(place)) this.off.add(place);
      press.setAttribute("aria-pressed", String(!this.off.has(place)));
      this.repaint();
    };
    this.legend.replaceChildren(...facet.values.slice(0, 24).map(entry));
  }

  #failed(error) {
    const none = error.status === 404;
    this.section.replaceChildren(
      message({
        picture: "map",
        heading: none ? "There is no map of this generation" : "The map cannot be shown",
        text: none ? `${error.message}. A map is made when a generation is built: change the setting, then run the pipeline.` : error.message,
        command: none ? `embeddings-orch run --pipeline ${this.what.index.split("/")[0]}` : undefined,
        acts: [button(null, "Try again", () => this.show(this.what), { class: "button primary" })],
      }),
    );
  }
}
