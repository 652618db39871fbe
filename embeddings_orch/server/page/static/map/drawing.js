/** A map that is on the screen: its points, what lies over them, and what is pointed at. */

import { paint } from "../base/colours.js";
import { button, h } from "../base/dom.js";
import { Card } from "./card.js";
import { Hand } from "./hand.js";
import { Overlay } from "./overlay.js";
import { Points } from "./points.js";
import { Plane } from "./plane.js";
import { Points2d } from "./points-2d.js";
import { PointsGl } from "./points-gl.js";
import { theme } from "../base/theme.js";

/** @import {Known} from "../base/known.js" */
/** @import {Hit, MapAnswer} from "../base/shapes.js" */

/**
 * @typedef {object} DrawingActs
 * @property {(id: string) => void} open
 * @property {Known} known
 * @property {(id: string, size: number) => string} address of an item's picture
 * @property {(id: string) => Promise<Hit | null>} item null where it cannot be had
 * @property {() => boolean} pictured whether there are pictures, as far as is known
 */

export class Drawing {
  #frame = 0;
  /** @type {string | null} */
  #goal;
  #watch = new ResizeObserver(() => this.#resize());
  plane = new Plane();
  hover = -1;
  ratio = 1;
  /** @type {[width: number, height: number]} */
  size = [0, 0];
  /**
   * The column that it is coloured by; null for one colour.
   * @type {string | null}
   */
  by = null;
  /** @type {Int16Array | null} */
  codes = null;
  /** @type {Set<number>} */
  off = new Set();
  /** @type {Set<number> | null} */
  found = null;

  /**
   * @param {MapAnswer} map
   * @param {string | null} chosen the item that is shown in detail
   * @param {DrawingActs} acts
   */
  constructor(map, chosen, acts) {
    this.acts = acts;
    this.points = new Points(map);
    this.about = { generation: map.generation, method: map.method, rows: map.rows, explained: map.explained };
    this.chosen = chosen;
    this.#goal = chosen; // gone to when the size is known
    this.drawer = PointsGl.make() ?? new Points2d();
    this.drawer.canvas.setAttribute("aria-hidden", "true");
    this.overlay = new Overlay(this, acts.address);
    this.card = new Card(this);
    this.top = h("div", { class: "map-choices" });
    this.legend = h("div", { class: "legend", role: "group", "aria-label": "Legend", hidden: true });
    const tool = (/** @type {string} */ name, /** @type {string} */ label, /** @type {() => void} */ act) => button(name, "", act, { class: "ghost round", "aria-label": label, title: label });
    const tools = [tool("plus", "Zoom in (+)", () => this.#zoom(1.7)), tool("minus", "Zoom out (−)", () => this.#zoom(1 / 1.7)), tool("fit", "All of it (0)", () => this.#fit())];
    this.element = h("div", { class: "map", data: { renderer: this.drawer.name } }, this.drawer.canvas, this.overlay.canvas, this.top, this.legend, h("div", { class: "map-tools" }, tools), this.card.element);
    this.hand = new Hand(this);
    this.drawer.load(this.points.places, this.#colours());
    this.#watch.observe(this.element);
  }

  /** Ends it: nothing of it is drawn any more. */
  close() {
    this.#watch.disconnect();
    cancelAnimationFrame(this.#frame);
    this.overlay.close();
  }

  /**
   * Marks what the query found; null where nothing is asked.
   * @param {string[] | null} ids
   */
  mark(ids) {
    this.found = ids && new Set(ids.map((id) => this.points.of(id)).filter((point) => point >= 0));
    this.repaint();
  }

  /**
   * Marks an item.
   * @param {string | null} id
   * @param {boolean} go whether the map moves to it
   */
  choose(id, go) {
    this.chosen = id;
    const point = id === null ? -1 : this.points.of(id);
    if (go && point >= 0) this.plane.goTo(...this.points.at(point));
    this.dirty();
  }

  /**
   * Whether a point is shown.
   * @param {number} point
   */
  usable(point) {
    return !this.codes || !this.off.has(this.codes[point] ?? -1);
  }

  /** Draws with the next frame. */
  dirty() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** Colours the points anew. */
  repaint() {
    this.drawer.paint(this.#colours());
    this.dirty();
  }

  /** Reads the theme's colours. */
  restyle() {
    this.overlay.restyle();
    this.repaint();
  }

  /**
   * What a pointer is over; -1 for nothing.
   * @param {number} left
   * @param {number} top
   * @param {number} [reach] in CSS pixels
   */
  pointAt(left, top, reach = 16) {
    const [x, y] = this.plane.toPlane(left, top);
    return this.overlay.pictureAt(left, top) ?? this.points.bins.nearest(x, y, reach / this.plane.side, (point) => this.usable(point));
  }

  /**
   * Shows the card of a point beside a place of the screen; none where `point` is -1.
   * @param {number} point
   * @param {[left: number, top: number]} [place]
   */
  look(point, place) {
    const id = this.points.ids[point];
    if (point !== this.hover) {
      this.hover = point;
      this.dirty();
      if (id !== undefined) this.card.fill(id);
    }
    if (id !== undefined && place) this.card.show(place, this.size);
    else this.card.hide();
  }

  /**
   * Opens the item of a point; does nothing for -1.
   * @param {number} point
   */
  open(point) {
    const id = this.points.ids[point];
    if (id !== undefined) this.acts.open(id);
  }

  #colours() {
    return paint(this.points.number, this.codes, this.off, this.found, theme());
  }

  /** @param {number} factor */
  #zoom(factor) {
    this.plane.zoom(factor);
    this.dirty();
  }

  #fit() {
    this.plane.fit();
    this.dirty();
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    for (const canvas of [this.drawer.canvas, this.overlay.canvas]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    this.size = [width, height];
    this.plane.resize(width, height);
    if (this.#goal !== null) this.choose(this.#goal, true);
    this.#goal = null;
    this.#draw();
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const [width, height] = this.size;
    if (!width || !this.element.clientWidth) return;
    const room = Math.sqrt((width * height) / Math.max(1, this.points.number));
    const near = Math.sqrt(this.plane.side / this.plane.smallest);
    this.drawer.draw(this.plane, Math.min(12, Math.max(2, room * 0.22 * near)), this.ratio);
    this.overlay.draw();
  }
}
