/** Where the plane of the points lies on the screen: pan and zoom. The plane's sides are 0 to 1. */

const CLOSEST = 400_000; // CSS pixels a side of the plane

export class Plane {
  #width = 1;
  #height = 1;
  x = 0.5; // of the plane, in the middle of the screen
  y = 0.5;
  side = 1; // CSS pixels a side

  /**
   * Takes the screen's size.
   * @param {number} width in CSS pixels
   * @param {number} height
   */
  resize(width, height) {
    const fitted = this.fitted;
    this.#width = Math.max(1, width);
    this.#height = Math.max(1, height);
    if (fitted) this.fit();
  }

  /** The side with which all of it is seen. */
  get smallest() {
    return 0.92 * Math.min(this.#width, this.#height);
  }

  /** Whether all of it is shown. */
  get fitted() {
    return Math.abs(this.side - this.smallest) < 0.5 || this.side === 1;
  }

  /** Shows all of it. */
  fit() {
    Object.assign(this, { x: 0.5, y: 0.5, side: this.smallest });
  }

  /**
   * Brings a place of the plane to the middle of the screen, near enough to tell it from others.
   * @param {number} x
   * @param {number} y
   */
  goTo(x, y) {
    Object.assign(this, { x, y, side: Math.max(this.side, this.smallest * 4) });
  }

  /**
   * @param {number} x
   * @param {number} y
   * @returns {[left: number, top: number]}
   */
  toScreen(x, y) {
    return [(x - this.x) * this.side + this.#width / 2, (y - this.y) * this.side + this.#height / 2];
  }

  /**
   * @param {number} left
   * @param {number} top
   * @returns {[x: number, y: number]}
   */
  toPlane(left, top) {
    return [(left - this.#width / 2) / this.side + this.x, (top - this.#height / 2) / this.side + this.y];
  }

  /**
   * Moves it over the screen.
   * @param {number} right CSS pixels
   * @param {number} down
   */
  pan(right, down) {
    this.x = clamp(this.x - right / this.side);
    this.y = clamp(this.y - down / this.side);
  }

  /**
   * Zooms so that what is at a place of the screen stays there.
   * @param {number} factor
   * @param {number} [left] else the middle
   * @param {number} [top]
   */
  zoom(factor, left = this.#width / 2, top = this.#height / 2) {
    const [x, y] = this.toPlane(left, top);
    this.side = Math.min(CLOSEST, Math.max(this.smallest * 0.7, this.side * factor));
    this.x = clamp(x - (left - this.#width / 2) / this.side);
    this.y = clamp(y - (top - this.#height / 2) / this.side);
  }

  /**
   * The part of the plane that is seen.
   * @param {number} [margin] around the screen, in CSS pixels
   * @returns {[x0: number, y0: number, x1: number, y1: number]}
   */
  seen(margin = 0) {
    return [...this.toPlane(-margin, -margin), ...this.toPlane(this.#width + margin, this.#height + margin)];
  }
}

/** @param {number} place */
const clamp = (place) => Math.min(1.05, Math.max(-0.05, place));
