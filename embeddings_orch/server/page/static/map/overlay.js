/** What lies over the points: pictures where there is room, what was found, what is pointed at. */

import { h, pen } from "../base/dom.js";
import { Room, scattered } from "./room.js";

/** @import {Drawing} from "./drawing.js" */

/** @typedef {{point: number, left: number, top: number, picture: HTMLCanvasElement}} Shown */

const PICTURE = 40; // CSS pixels
const SIZE = 96; // pixels that are asked for
const CELL = 54;
const CROWD = 3000; // points in view up to which some are shown as pictures
const AT_ONCE = 6;
const KEPT = 700;

/** @type {[right: number, down: number][]} */
const CROSS = [[1, 0], [-1, 0], [0, 1], [0, -1]];

export class Overlay {
  /**
   * By id; null where there is none.
   * @type {Map<string, HTMLCanvasElement | null>}
   */
  #pictures = new Map();
  /** @type {string[]} */
  #waiting = [];
  #loading = 0;
  #missing = 0;
  /**
   * The pictures drawn last.
   * @type {Shown[]}
   */
  #shown = [];
  #closed = false;

  /**
   * @param {Drawing} view
   * @param {(id: string, size: number) => string} address
   */
  constructor(view, address) {
    this.view = view;
    this.address = address;
    this.cross = false;
    this.canvas = h("canvas", { class: "overlay", tabIndex: 0, role: "application", "aria-label": "Map" });
    this.context = pen(this.canvas);
    this.ink = inks();
  }

  /** Reads the theme's colours. */
  restyle() {
    this.ink = inks();
    this.#pictures.clear();
  }

  close() {
    this.#closed = true;
  }

  /**
   * The point whose picture is at a place of the screen; undefined where there is none.
   * @param {number} left
   * @param {number} top
   */
  pictureAt(left, top) {
    const half = PICTURE / 2;
    return this.#shown.findLast((one) => this.view.usable(one.point) && Math.abs(one.left - left) <= half && Math.abs(one.top - top) <= half)?.point;
  }

  draw() {
    const { context, view } = this;
    const [width, height] = view.size;
    context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const at = (/** @type {number} */ point) => view.plane.toScreen(...view.points.at(point));
    this.#waiting = [];
    this.#shown = [];
    const found = [...(view.found ?? [])];
    for (const point of found) this.#ring(...at(point), 5, 2);
    const room = new Room(CELL - 8);
    const pictured = view.acts.pictured() ? [...found.slice(0, 60), ...this.#some()] : [];
    for (const point of pictured) {
      if (!view.usable(point)) continue;
      const [left, top] = at(point);
      if (left < -PICTURE || top < -PICTURE || left > width + PICTURE || top > height + PICTURE || !room.take(left, top)) continue;
      const picture = this.#picture(point);
      if (picture) this.#shown.push({ point, left, top, picture });
    }
    // The best hits lie on top.
    for (const { point, left, top, picture } of [...this.#shown].reverse()) this.#frame(picture, left, top, view.found?.has(point) ?? false);
    this.#shown.reverse();
    const chosen = view.chosen === null ? -1 : view.points.of(view.chosen);
    for (const point of [chosen, view.hover]) if (point >= 0) this.#mark(point, ...at(point), point === chosen);
    if (this.cross) this.#crosshair(width / 2, height / 2);
    this.#load();
  }

  /** Points to be shown as pictures, but for those that were found. */
  #some() {
    if (this.#missing > 12) return [];
    const { points, plane } = this.view;
    return scattered(points, plane, (point) => this.view.usable(point), { cell: CELL, margin: PICTURE, crowd: CROWD });
  }

  /** @param {number} point */
  #picture(point) {
    const id = this.view.points.ids[point] ?? "";
    const found = this.#pictures.get(id);
    if (found === undefined) this.#waiting.push(id);
    else {
      this.#pictures.delete(id); // the last used are kept longest
      this.#pictures.set(id, found);
    }
    return found;
  }

  #load() {
    while (this.#loading < AT_ONCE && !this.#closed) {
      const id = this.#waiting.shift();
      if (id === undefined) return;
      const image = new Image();
      this.#loading += 1;
      this.#pictures.set(id, null);
      const done = (/** @type {HTMLCanvasElement | null} */ picture) => {
        this.#loading -= 1;
        this.#missing = picture ? 0 : this.#missing + 1;
        this.#pictures.set(id, picture);
        const [oldest] = this.#pictures.keys();
        if (this.#pictures.size > KEPT && oldest !== undefined) this.#pictures.delete(oldest);
        if (!this.#closed) this.view.dirty();
      };
      image.onload = () => done(this.#drawn(image));
      image.onerror = () => done(null);
      image.src = this.address(id, SIZE);
    }
  }

  /**
   * A picture on a plate, as large as it is shown.
   * @param {HTMLImageElement} image
   */
  #drawn(image) {
    const canvas = document.createElement("canvas");
    const side = Math.round(PICTURE * this.view.ratio);
    canvas.width = canvas.height = side;
    const context = pen(canvas);
    const inner = side - 6 * this.view.ratio;
    const scale = Math.min(inner / image.naturalWidth, inner / image.naturalHeight);
    const [wide, high] = [image.naturalWidth * scale, image.naturalHeight * scale];
    context.beginPath();
    context.roundRect(0, 0, side, side, 9 * this.view.ratio);
    const little = Math.max(image.naturalWidth, image.naturalHeight) < SIZE;
    context.fillStyle = little ? this.ink.plate : this.ink.surface;
    context.fill();
    context.clip();
    // The white ground of a drawing is the plate's.
    context.globalCompositeOperation = little ? "multiply" : "source-over";
    context.imageSmoothingQuality = "high";
    context.drawImage(image, (side - wide) / 2, (side - high) / 2, wide, high);
    return canvas;
  }

  /**
   * @param {HTMLCanvasElement} picture
   * @param {number} left
   * @param {number} top
   * @param {boolean} found
   */
  #frame(picture, left, top, found) {
    const { context } = this;
    const half = PICTURE / 2;
    context.globalAlpha = found || !this.view.found ? 1 : 0.3;
    context.drawImage(picture, left - half, top - half, PICTURE, PICTURE);
    context.beginPath();
    context.roundRect(left - half, top - half, PICTURE, PICTURE, 9);
    context.lineWidth = found ? 2.5 : 1;
    context.strokeStyle = found ? this.ink.accent : this.ink.line;
    context.stroke();
    context.globalAlpha = 1;
  }

  /**
   * @param {number} point
   * @param {number} left
   * @param {number} top
   * @param {boolean} chosen else only pointed at
   */
  #mark(point, left, top, chosen) {
    const pictured = this.#shown.find((one) => one.point === point);
    const colour = chosen ? this.ink.accent : this.ink.ink;
    if (!pictured) {
      this.#ring(left, top, 9, chosen ? 3 : 2, colour);
      return;
    }
    const { context } = this;
    const half = PICTURE / 2 + 1;
    context.drawImage(pictured.picture, left - half, top - half, 2 * half, 2 * half);
    context.beginPath();
    context.roundRect(left - half, top - half, 2 * half, 2 * half, 10);
    context.lineWidth = 3;
    context.strokeStyle = colour;
    context.stroke();
  }

  /**
   * @param {number} left
   * @param {number} top
   * @param {number} radius
   * @param {number} wide
   * @param {string} [colour]
   */
  #ring(left, top, radius, wide, colour = this.ink.accent) {
    const { context } = this;
    context.beginPath();
    context.arc(left, top, radius, 0, 2 * Math.PI);
    context.lineWidth = wide;
    context.strokeStyle = colour;
    context.stroke();
  }

  /**
   * @param {number} left
   * @param {number} top
   */
  #crosshair(left, top) {
    const { context } = this;
    context.beginPath();
    for (const [right, down] of CROSS) {
      context.moveTo(left + 6 * right, top + 6 * down);
      context.lineTo(left + 14 * right, top + 14 * down);
    }
    context.lineWidth = 1.6;
    context.strokeStyle = this.ink.ink;
    context.stroke();
  }
}

/** The theme's colours. */
function inks() {
  const style = getComputedStyle(document.documentElement);
  const read = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return { accent: read("--accent"), surface: read("--surface"), line: read("--line-strong"), plate: read("--plate"), ink: read("--ink") };
}
