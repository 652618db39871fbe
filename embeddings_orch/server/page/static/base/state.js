/** What is asked and shown. It lives in the address, so that back, reload and a shared link work. */

/** @import {Filter, Filters} from "./where.js" */

/**
 * @typedef {object} PageState
 * @property {string | null} index "pipeline/index"; null: the first
 * @property {string | null} generation an id; null: the published one
 * @property {string} text
 * @property {string | null} like an item's id
 * @property {string | null} picture a name in the store of pictures: it is not part of the address
 * @property {string | null} column an embedding, "*" for all; null: the first that can read the query
 * @property {number | null} alpha hybrid with this share for the vectors; null: not hybrid
 * @property {Filters} filters by column
 * @property {number} seed which look into the index, where nothing is asked
 * @property {"grid" | "map"} view
 * @property {string | null} against another generation, side by side
 * @property {string | null} item shown in detail
 *
 * @typedef {{replace?: boolean, typing?: boolean}} How `typing` makes one step of history of a whole word
 * @typedef {(patch: Partial<PageState>, how?: How) => void} SetState
 */

/**
 * The state of an address.
 * @param {string} search what stands after the path
 * @param {{picture?: string | null} | null} [kept] what the history keeps beside the address
 * @returns {PageState}
 */
export function parse(search, kept) {
  const params = new URLSearchParams(search);
  const alpha = Number.parseFloat(params.get("alpha") ?? "");
  return {
    index: params.get("index"),
    generation: params.get("generation"),
    text: params.get("q") ?? "",
    like: params.get("like"),
    picture: kept?.picture ?? null,
    column: params.get("column"),
    alpha: Number.isFinite(alpha) ? Math.min(1, Math.max(0, alpha)) : null,
    filters: filtersOf(params),
    seed: Number.parseInt(params.get("seed") ?? "0", 10) || 0,
    view: params.get("view") === "map" ? "map" : "grid",
    against: params.get("against"),
    item: params.get("item"),
  };
}

/**
 * @param {URLSearchParams} params
 * @returns {Filters}
 */
function filtersOf(params) {
  /** @type {{[column: string]: Filter}} */
  const filters = Object.create(null); // a column may be called __proto__
  for (const [key, value] of params) {
    const dot = key.indexOf(".");
    const [kind, name] = [key.slice(0, dot), key.slice(dot + 1)];
    if (dot < 1 || !name) continue;
    if (kind === "is") ((filters[name] ??= {}).values ??= []).push(value);
    else if (kind === "none") (filters[name] ??= {}).none = true;
    else if (kind === "min" || kind === "max" || kind === "has") (filters[name] ??= {})[kind] = value;
  }
  return filters;
}

/**
 * The address of a state, after the path; "" for that of the start.
 * @param {PageState} state
 */
export function address(state) {
  const params = new URLSearchParams();
  const put = (/** @type {string} */ name, /** @type {string | null} */ value) => {
    if (value) params.append(name, value);
  };
  put("index", state.index);
  put("generation", state.generation);
  put("q", state.text);
  put("like", state.like);
  put("column", state.column);
  put("alpha", state.alpha === null ? null : String(state.alpha));
  for (const [name, filter] of Object.entries(state.filters)) {
    for (const value of filter.values ?? []) params.append(`is.${name}`, value);
    if (filter.none) params.append(`none.${name}`, "1");
    put(`min.${name}`, filter.min ?? null);
    put(`max.${name}`, filter.max ?? null);
    put(`has.${name}`, filter.has ?? null);
  }
  put("seed", state.seed ? String(state.seed) : null);
  put("view", state.view === "grid" ? null : state.view);
  put("against", state.against);
  put("item", state.item);
  const query = params.toString();
  return query ? `?${query}` : "";
}

/** Holds the state, and tells what changed of it, by the page or by the browser's history. */
export class State {
  #typed = 0;
  #tell;

  /** @param {(changed: Set<string>) => void} tell */
  constructor(tell) {
    this.#tell = tell;
    this.now = parse(location.search, history.state);
    addEventListener("popstate", (event) => this.#become(parse(location.search, event.state)));
  }

  /**
   * Changes some of it.
   * @param {Partial<PageState>} patch
   * @param {How} [how]
   */
  set(patch, { replace = false, typing = false } = {}) {
    const after = { ...this.now, ...patch };
    const moment = performance.now();
    const same = typing && moment - this.#typed < 1500;
    this.#typed = typing ? moment : 0;
    const [query, kept] = [address(after), { picture: after.picture }];
    const url = query || location.pathname;
    if (replace || same) history.replaceState(kept, "", url);
    else if (query !== address(this.now) || after.picture !== this.now.picture) history.pushState(kept, "", url);
    this.#become(after);
  }

  /** @param {PageState} after */
  #become(after) {
    const before = new Map(Object.entries(this.now));
    const changed = Object.entries(after).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before.get(name)));
    this.now = after;
    if (changed.length) this.#tell(new Set(changed.map(([name]) => name)));
  }
}
