/** Where there is room for pictures on the map. */

/** @import {Bins} from "./bins.js" */
/** @import {Plane} from "./plane.js" */

const ROWS = 16384; // cells of the plane are counted column by column; no map has that many rows

/** Places that are taken, so that pictures do not cover each other. */
export class Room {
  /** @type {Map<string, [left: number, top: number]>} */
  #cells = new Map();

  /** @param {number} apart how far from each other places are, about */
  constructor(apart) {
    this.apart = apart;
  }

  /**
   * Whether there is room at a place; takes it.
   * @param {number} left
   * @param {number} top
   */
  take(left, top) {
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

/**
 * One point of each cell of what is seen, the same ones while the map is moved; none where a crowd is seen.
 * @param {{bins: Bins, at: (point: number) => [x: number, y: number]}} points
 * @param {Plane} plane
 * @param {(point: number) => boolean} usable
 * @param {{cell: number, margin: number, crowd: number}} how CSS pixels, and points that are no crowd yet
 */
export function scattered(points, plane, usable, { cell, margin, crowd }) {
  const side = 2 ** (Math.floor(Math.log2(plane.side) * 2) / 2);
  /** @type {Map<number, number>} */
  const cells = new Map();
  let seen = 0;
  points.bins.within(plane.seen(margin), (point) => {
    seen += 1;
    if (seen > crowd) return false;
    if (!usable(point)) return true;
    const [x, y] = points.at(point);
    const own = Math.floor((x * side) / cell) * ROWS + Math.floor((y * side) / cell);
    cells.set(own, Math.min(point, cells.get(own) ?? Infinity));
    return true;
  });
  return seen > crowd ? [] : [...cells.values()].sort((one, other) => one - other);
}
