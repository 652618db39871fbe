/** Items that were found or asked for, by id, so that they are not asked for again. */

/** @import {Hit} from "./shapes.js" */

const MOST = 5000;

/** @extends {Map<string, Hit>} */
export class Known extends Map {
  /**
   * Keeps hits; forgets all others once they are many.
   * @param {Hit[]} hits
   */
  remember(hits) {
    if (this.size > MOST) this.clear();
    for (const hit of hits) this.set(hit.id, hit);
  }
}
