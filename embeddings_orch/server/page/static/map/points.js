/** The points of a map: where each item lies, and its value of a column. */

import { Bins } from "./bins.js";

/** @import {FacetValue, MapAnswer, ValuesAnswer} from "../base/shapes.js" */

const FARTHEST = 65535;

export class Points {
  #places;
  #byId;

  /** @param {Pick<MapAnswer, "ids" | "x" | "y">} map whose y goes up; the screen's goes down */
  constructor({ ids, x, y }) {
    this.ids = ids;
    this.number = ids.length;
    this.#places = new Uint16Array(2 * ids.length);
    for (let point = 0; point < ids.length; point += 1) {
      this.#places[2 * point] = x[point] ?? 0;
      this.#places[2 * point + 1] = FARTHEST - (y[point] ?? 0);
    }
    this.#byId = new Map(ids.map((id, point) => [id, point]));
    this.bins = new Bins(this.#places);
  }

  /** x, y, x, y, ... from 0 to 65535. */
  get places() {
    return this.#places;
  }

  /**
   * @param {number} point
   * @returns {[x: number, y: number]} from 0 to 1
   */
  at(point) {
    return [(this.#places[2 * point] ?? 0) / FARTHEST, (this.#places[2 * point + 1] ?? 0) / FARTHEST];
  }

  /**
   * The point of an item; -1 where it has none.
   * @param {string} id
   */
  of(id) {
    return this.#byId.get(id) ?? -1;
  }

  /**
   * The place of each point's value among those of the facet, -1 for none: the most frequent first, as filters have them.
   * @param {ValuesAnswer} found
   * @param {FacetValue[]} values of the facet
   */
  codes(found, values) {
    const order = new Map(values.map((one, place) => [String(one.value), place]));
    const places = found.values.map((one) => order.get(String(one)) ?? -1);
    const codes = new Int16Array(this.number).fill(-1);
    found.ids.forEach((id, row) => {
      const point = this.of(id);
      if (point >= 0) codes[point] = places[found.codes[row] ?? -1] ?? -1;
    });
    return codes;
  }
}
