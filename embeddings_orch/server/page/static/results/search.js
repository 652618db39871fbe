/** Searches of which only the newest is answered. */

import * as api from "../base/api.js";

/** @import {SearchAnswer, SearchBody} from "../base/shapes.js" */

export class Search {
  /** @type {AbortController | null} */
  #controller = null;

  /**
   * The answer, null where a newer search was begun or `stop` was called; throws what the server says.
   * @param {SearchBody} body
   * @returns {Promise<SearchAnswer | null>}
   */
  async run(body) {
    this.stop();
    const own = (this.#controller = new AbortController());
    try {
      const answer = await api.search(body, own.signal);
      return own === this.#controller ? answer : null;
    } catch (error) {
      if (own !== this.#controller || api.aborted(error)) return null;
      throw error;
    } finally {
      if (own === this.#controller) this.#controller = null;
    }
  }

  /** Gives up the search that is under way. */
  stop() {
    this.#controller?.abort();
    this.#controller = null;
  }
}

/** @typedef {"begun" | "waiting" | "long" | "done"} Stage */

/** Tells how long something takes: at once, after 300 ms, and after 2 s, when a model is being loaded. */
export class Patience {
  /** @type {ReturnType<typeof setTimeout>[]} */
  #timers = [];

  /** @param {(stage: Stage) => void} tell */
  constructor(tell) {
    this.tell = tell;
  }

  begin() {
    this.#clear();
    this.tell("begun");
    this.#timers = [setTimeout(() => this.tell("waiting"), 300), setTimeout(() => this.tell("long"), 2000)];
  }

  end() {
    this.#clear();
    this.tell("done");
  }

  #clear() {
    this.#timers.forEach((one) => clearTimeout(one));
    this.#timers = [];
  }
}
