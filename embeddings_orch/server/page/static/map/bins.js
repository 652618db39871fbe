/** Points in bins, so that those near a place are found without looking at all. */

const SIDE = 256;

export class Bins {
  /** @type {Uint16Array} */
  #places;
  #starts = new Uint32Array(SIDE * SIDE + 1);
  #order;

  /** @param {Uint16Array} places x, y, x, y, ... from 0 to 65535 */
  constructor(places) {
    this.#places = places;
    const number = places.length / 2;
    this.#order = new Uint32Array(number);
    const bin = (/** @type {number} */ point) => (this.#y(point) >> 8) * SIDE + (this.#x(point) >> 8);
    for (let point = 0; point < number; point += 1) this.#starts[bin(point) + 1] = this.#start(bin(point) + 1) + 1;
    for (let place = 0; place < SIDE * SIDE; place += 1) this.#starts[place + 1] = this.#start(place + 1) + this.#start(place);
    const next = this.#starts.slice(0, -1);
    for (let point = 0; point < number; point += 1) {
      const place = next[bin(point)] ?? 0;
      this.#order[place] = point;
      next[bin(point)] = place + 1;
    }
  }

  /** @param {number} point */
  #x(point) {
    return this.#places[2 * point] ?? 0;
  }

  /** @param {number} point */
  #y(point) {
    return this.#places[2 * point + 1] ?? 0;
  }

  /** @param {number} bin */
  #start(bin) {
    return this.#starts[bin] ?? 0;
  }

  /**
   * Calls `visit(point)` for the points of a rectangle of the plane, sides 0 to 1, until it gives false.
   * @param {[number, number, number, number]} rectangle x0, y0, x1, y1
   * @param {(point: number) => boolean | void} visit
   */
  within([x0, y0, x1, y1], visit) {
    const at = (/** @type {number} */ place) => Math.min(SIDE - 1, Math.max(0, Math.floor(place * SIDE)));
    const [left, top, right, bottom] = [x0 * 65535, y0 * 65535, x1 * 65535, y1 * 65535];
    for (let row = at(y0); row <= at(y1); row += 1) {
      const end = this.#start(row * SIDE + at(x1) + 1);
      for (let place = this.#start(row * SIDE + at(x0)); place < end; place += 1) {
        const point = this.#order[place] ?? 0;
        const [x, y] = [this.#x(point), this.#y(point)];
        if (x >= left && x <= right && y >= top && y <= bottom && visit(point) === false) return;
      }
    }
  }

  /**
   * The point that is nearest to a place, at most `radius` away; -1 where there is none.
   * @param {number} x
   * @param {number} y
   * @param {number} radius
   * @param {(point: number) => boolean} [usable]
   */
  nearest(x, y, radius, usable = () => true) {
    let [best, least] = [-1, radius * radius];
    this.within([x - radius, y - radius, x + radius, y + radius], (point) => {
      const away = (this.#x(point) / 65535 - x) ** 2 + (this.#y(point) / 65535 - y) ** 2;
      if (away <= least && usable(point)) [best, least] = [point, away];
    });
    return best;
  }
}
