/** What lies over the points: pictures where there is room, what was found, what is pointed at. */

import { h } from "./dom.js";

const PICTURE = 40; // CSS pixels
const SIZE = 96; // pixels that are asked for
const CELL = 54;
const CROWD = 3000; // points in view up to which some are shown as pictures
const AT_ONCE = 6;
const KEPT = 700;

export class Overlay {
  #pictures = new Map(); // id -> canvas, or null where there is none
  #waiting = [];
  #loading = 0;
  #missing = 0;
  #shown = []; // {point, left, top} of the pictures drawn last
  #closed = false;

  /** @param {Object} view the map @param {(id: string, size: number) => string} address */
  constructor(view, address) {
    this.view = view;
    this.address = address;
    this.cross = false;
    this.canvas = h("canvas", { class: "overlay", tabIndex: 0, role: "application", "aria-label": "Map" });
    this.context = this.canvas.getContext("2d");
    this.restyle();
  }

  /** Reads the theme's colours. */
  restyle() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    this.ink = { accent: read("--accent"), surface: read("--surface"), line: read("--line-strong"), plate: read("--plate"), ink: read("--ink") };
    this.#pictures.clear();
  }

  close() {
    this.#closed = true;
  }

  /** The point whose picture is at a place of the screen; undefined where there is none. */
  pictureAt(left, top) {
    const half = PICTURE / 2;
    return this.#shown.findLast((one) => this.view.usable(one.point) && Math.abs(one.left - left) <= half && Math.abs(one.top - top) <= half)?.point;
  }

  draw() {
    const { context, view } = this;
    const [width, height] = view.size;
    context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const at = (point) => view.plane.toScreen(view.x(point), view.y(point));
    this.#waiting = [];
    this.#shown = [];
    const found = view.foundPoints ? [...view.foundPoints] : [];
    for (const point of found) this.#ring(...at(point), 5, 2);
    const placed = new Placed(CELL - 8);
    const pictured = view.pictured ? [...found.slice(0, 60), ...this.#some()] : [];
    for (const point of pictured) {
      if (!view.usable(point)) continue;
      const [left, top] = at(point);
      if (left < -PICTURE || top < -PICTURE || left > width + PICTURE || top > height + PICTURE || !placed.room(left, top)) continue;
      const picture = this.#picture(view.map.ids[point]);
      if (picture) this.#shown.push({ point, left, top, picture });
    }
    // The best hits lie on top.
    for (const { point, left, top, picture } of [...this.#shown].reverse()) this.#frame(picture, left, top, view.foundPoints?.has(point));
    this.#shown.reverse();
    const chosen = view.chosen === null ? -1 : view.point(view.chosen);
    for (const point of [chosen, view.hover]) if (point >= 0) this.#mark(point, ...at(point), point === chosen);
    if (this.cross) this.#crosshair(width / 2, height / 2);
    this.#load();
  }

  /** Points to be shown as pictures: one of each cell, the same ones while the map is moved. */
  #some() {
    const { view } = this;
    if (this.#missing > 12) return [];
    const side = 2 ** (Math.floor(Math.log2(view.plane.side) * 2) / 2);
    const cells = new Map();
    let seen = 0;
    view.bins.within(view.plane.seen(PICTURE), (point) => {
      seen += 1;
      if (seen > CROWD) return false;
      if (!view.usable(point)) return true;
      const cell = Math.floor((view.x(point) * side) / CELL) * 16384 + Math.floor((view.y(point) * side) / CELL);
      if (!(cells.get(cell) <= point)) cells.set(cell, point);
      return true;
    });
    return seen > CROWD ? [] : [...cells.values()].sort((one, other) => one - other);
  }

  #picture(id) {
    const found = this.#pictures.get(id);
    if (found === undefined) this.#waiting.push(id);
    else {
      this.#pictures.delete(id); // the last used are kept longest
      this.#pictures.set(id, found);
    }
    return found;
  }

  #load() {
    while (this.#loading < AT_ONCE && this.#waiting.length && !this.#closed) {
      const id = this.#waiting.shift();
      const image = new Image();
      this.#loading += 1;
      this.#pictures.set(id, null);
      const done = (picture) => {
        this.#loading -= 1;
        this.#missing = picture ? 0 : this.#missing + 1;
        this.#pictures.set(id, picture);
        if (this.#pictures.size > KEPT) this.#pictures.delete(this.#pictures.keys().next().value);
        if (!this.#closed) this.view.dirty();
      };
      image.onload = () => done(this.#drawn(image));
      image.onerror = () => done(null);
      image.src = this.address(id, SIZE);
    }
  }

  #drawn(image) {
    const canvas = document.createElement("canvas");
    const side = Math.round(PICTURE * this.view.ratio);
    canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
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

  #frame(picture, left, top, found) {
    const { context } = this;
    const half = PICTURE / 2;
    context.globalAlpha = found || !this.view.foundPoints ? 1 : 0.3;
    context.drawImage(picture, left - half, top - half, PICTURE, PICTURE);
    context.beginPath();
    context.roundRect(left - half, top - half, PICTURE, PICTURE, 9);
    context.lineWidth = found ? 2.5 : 1;
    context.strokeStyle = found ? this.ink.accent : this.ink.line;
    context.stroke();
    context.globalAlpha = 1;
  }

  #mark(point, left, top, chosen) {
    const pictured = this.#shown.find((one) => one.point === point);
    const colour = chosen ? this.ink.accent : this.ink.ink;
    if (!pictured) return this.#ring(left, top, 9, chosen ? 3 : 2, colour);
    const { context } = this;
    const half = PICTURE / 2 + 1;
    context.drawImage(pictured.picture, left - half, top - half, 2 * half, 2 * half);
    context.beginPath();
    context.roundRect(left - half, top - half, 2 * half, 2 * half, 10);
    context.lineWidth = 3;
    context.strokeStyle = colour;
    context.stroke();
    return undefined;
  }

  #ring(left, top, radius, wide, colour = this.ink.accent) {
    const { context } = this;
    context.beginPath();
    context.arc(left, top, radius, 0, 2 * Math.PI);
    context.lineWidth = wide;
    context.strokeStyle = colour;
    context.stroke();
  }

  #crosshair(left, top) {
    const { context } = this;
    context.beginPath();
    for (const [right, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(left + 6 * right, top + 6 * down);
      context.lineTo(left + 14 * right, top + 14 * down);
    }
    context.lineWidth = 1.6;
    context.strokeStyle = this.ink.ink;
    context.stroke();
  }
}

/** Places that are taken, so that pictures do not cover each other. */
class Placed {
  #cells = new Map();

  constructor(apart) {
    this.apart = apart;
  }

  /** Whether there is room; takes it. */
  room(left, top) {
    const [column, row] = [Math.floor(left / this.apart), Math.floor(top / this.apart)];
    for (let across = column - 1; across <= column + 1; across += 1) {
      for (let down = row - 1; down <= row + 1; down += 1) {
        const other = this.#cells.get(`${across} ${down}`);
        if (other && Math.max(Math.abs(other[0] - left), Math.abs(other[1] - top)) < this.apart * 0.82) return false;
      }
    }
    this.#cells.set(`${column} ${row}`, [left, top]);
    return true;
  }
}
