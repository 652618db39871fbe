/** Where the plane of the points lies on the screen: pan and zoom. The plane's sides are 0 to 1. */

const CLOSEST = 400_000; // CSS pixels a side of the plane

export class Plane {
  #width = 1;
  #height = 1;
  x = 0.5; // of the plane, in the middle of the screen
  y = 0.5;
  side = 1; // CSS pixels a side

  /** The screen's size, in CSS pixels. */
  resize(width, height) {
    const fitted = this.fitted;
    this.#width = Math.max(1, width);
    this.#height = Math.max(1, height);
    if (fitted) this.fit();
  }

  get smallest() {
    return 0.92 * Math.min(this.#width, this.#height);
  }

  /** Whether all of it is shown. */
  get fitted() {
    return Math.abs(this.side - this.smallest) < 0.5 || this.side === 1;
  }

  fit() {
    Object.assign(this, { x: 0.5, y: 0.5, side: this.smallest });
  }

  toScreen(x, y) {
    return [(x - this.x) * this.side + this.#width / 2, (y - this.y) * this.side + this.#height / 2];
  }

  toPlane(left, top) {
    return [(left - this.#width / 2) / this.side + this.x, (top - this.#height / 2) / this.side + this.y];
  }

  pan(right, down) {
    this.x = clamp(this.x - right / this.side);
    this.y = clamp(this.y - down / this.side);
  }

  /** Zooms so that what is at a place of the screen stays there. */
  zoom(factor, left = this.#width / 2, top = this.#height / 2) {
    const [x, y] = this.toPlane(left, top);
    this.side = Math.min(CLOSEST, Math.max(this.smallest * 0.7, this.side * factor));
    this.x = clamp(x - (left - this.#width / 2) / this.side);
    this.y = clamp(y - (top - this.#height / 2) / this.side);
  }

  /** The part of the plane that is seen: [x0, y0, x1, y1]. */
  seen(margin = 0) {
    return [...this.toPlane(-margin, -margin), ...this.toPlane(this.#width + margin, this.#height + margin)];
  }
}

const clamp = (place) => Math.min(1.05, Math.max(-0.05, place));
