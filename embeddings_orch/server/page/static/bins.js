/** Points in bins, so that those near a place are found without looking at all. */

const SIDE = 256;

export class Bins {
  /** @param {Uint16Array} places x, y, x, y, ... from 0 to 65535 */
  constructor(places) {
    this.places = places;
    this.number = places.length / 2;
    this.starts = new Uint32Array(SIDE * SIDE + 1);
    this.order = new Uint32Array(this.number);
    const bin = (point) => (places[2 * point + 1] >> 8) * SIDE + (places[2 * point] >> 8);
    for (let point = 0; point < this.number; point += 1) this.starts[bin(point) + 1] += 1;
    for (let place = 0; place < SIDE * SIDE; place += 1) this.starts[place + 1] += this.starts[place];
    const next = this.starts.slice(0, -1);
    for (let point = 0; point < this.number; point += 1) this.order[next[bin(point)]++] = point;
  }

  /** Calls `visit(point)` for the points of a rectangle of the plane, sides 0 to 1, until it gives false. */
  within([x0, y0, x1, y1], visit) {
    const at = (place) => Math.min(SIDE - 1, Math.max(0, Math.floor(place * SIDE)));
    const [left, top, right, bottom] = [x0, y0, x1, y1].map((one) => one * 65535);
    for (let row = at(y0); row <= at(y1); row += 1) {
      const end = this.starts[row * SIDE + at(x1) + 1];
      for (let place = this.starts[row * SIDE + at(x0)]; place < end; place += 1) {
        const point = this.order[place];
        const [x, y] = [this.places[2 * point], this.places[2 * point + 1]];
        if (x >= left && x <= right && y >= top && y <= bottom && visit(point) === false) return;
      }
    }
  }

  /** The point that is nearest to a place, at most `radius` away; -1 where there is none. */
  nearest(x, y, radius, usable = () => true) {
    let [best, least] = [-1, radius * radius];
    this.within([x - radius, y - radius, x + radius, y + radius], (point) => {
      const away = (this.places[2 * point] / 65535 - x) ** 2 + (this.places[2 * point + 1] / 65535 - y) ** 2;
      if (away <= least && usable(point)) [best, least] = [point, away];
    });
    return best;
  }
}
