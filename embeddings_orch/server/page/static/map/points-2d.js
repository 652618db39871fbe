/** Draws the points without WebGL: pixels of discs, written into an image. */

import { discs } from "./discs.js";
import { pen } from "../base/dom.js";

/** @import {Plane} from "./plane.js" */

export class Points2d {
  name = "canvas";
  places = new Uint16Array();
  colours = new Uint8Array();
  /** @type {ImageData | null} */
  image = null;

  constructor() {
    this.canvas = document.createElement("canvas");
    this.context = pen(this.canvas);
  }

  /**
   * Takes the points.
   * @param {Uint16Array<ArrayBuffer>} places x, y of each, from 0 to 65535
   * @param {Uint8Array<ArrayBuffer>} colours red, green, blue, alpha of each
   */
  load(places, colours) {
    this.places = places;
    this.paint(colours);
  }

  /**
   * Takes other colours.
   * @param {Uint8Array<ArrayBuffer>} colours
   */
  paint(colours) {
    this.colours = colours;
  }

  /**
   * Draws all points.
   * @param {Plane} plane
   * @param {number} size CSS pixels across
   * @param {number} ratio pixels of the canvas a CSS pixel
   */
  draw(plane, size, ratio) {
    const { width, height } = this.canvas;
    if (this.image?.width !== width || this.image.height !== height) this.image = this.context.createImageData(width, height);
    const [left, top] = plane.toScreen(0, 0);
    discs(this.image, this.places, this.colours, { left: left * ratio, top: top * ratio, side: plane.side * ratio, size: size * ratio });
    this.context.putImageData(this.image, 0, 0);
  }
}
