/** What is asked and shown. It lives in the address, so that back, reload and a shared link work. */

const START = Object.freeze({
  index: null, // "pipeline/index"; null: the first
  generation: null, // an id; null: the published one
  text: "",
  like: null, // an item's id
  picture: null, // a name in the store of pictures: it is not part of the address
  column: null, // an embedding, "*" for all; null: the first that can read the query
  alpha: null, // hybrid with this share for the vectors; null: not hybrid
  filters: Object.freeze({}), // by column: {values: [str], none: bool} | {min, max} | {has}
  seed: 0, // which look into the index, where nothing is asked
  view: "grid",
  against: null, // another generation, side by side
  item: null, // shown in detail
});

/** The state of an address. */
export function parse(search, kept = {}) {
  const params = new URLSearchParams(search);
  const filters = Object.create(null); // a column may be called __proto__
  for (const [key, value] of params) {
    const dot = key.indexOf(".");
    const [kind, name] = [key.slice(0, dot), key.slice(dot + 1)];
    if (dot < 1 || !name) continue;
    const filter = (filters[name] ??= {});
    if (kind === "is") (filter.values ??= []).push(value);
    else if (kind === "none") filter.none = true;
    else if (kind === "min" || kind === "max" || kind === "has") filter[kind] = value;
  }
  const alpha = Number.parseFloat(params.get("alpha") ?? "");
  return {
    ...START,
    index: params.get("index"),
    generation: params.get("generation"),
    text: params.get("q") ?? "",
    like: params.get("like"),
    picture: kept.picture ?? null,
    column: params.get("column"),
    alpha: Number.isFinite(alpha) ? Math.min(1, Math.max(0, alpha)) : null,
    filters,
    seed: Number.parseInt(params.get("seed") ?? "0", 10) || 0,
    view: params.get("view") === "map" ? "map" : "grid",
    against: params.get("against"),
    item: params.get("item"),
  };
}

/** The address of a state. */
export function address(state) {
  const params = new URLSearchParams();
  const put = (name, value) => value !== null && value !== "" && params.append(name, value);
  put("index", state.index);
  put("generation", state.generation);
  put("q", state.text);
  put("like", state.like);
  put("column", state.column);
  put("alpha", state.alpha === null ? null : String(state.alpha));
  for (const [name, filter] of Object.entries(state.filters)) {
    for (const value of filter.values ?? []) params.append(`is.${name}`, value);
    if (filter.none) params.append(`none.${name}`, "1");
    for (const kind of ["min", "max", "has"]) if (filter[kind]) params.append(`${kind}.${name}`, filter[kind]);
  }
  put("seed", state.seed ? String(state.seed) : null);
  put("view", state.view === "grid" ? null : state.view);
  put("against", state.against);
  put("item", state.item);
  const query = params.toString();
  return query ? `?${query}` : location.pathname;
}

/** Holds the state; `change` events carry {before, changed: names, from: "page" | "history"}. */
export class State extends EventTarget {
  #typed = 0;

  constructor() {
    super();
    this.now = parse(location.search, history.state ?? {});
    addEventListener("popstate", (event) => this.#become(parse(location.search, event.state ?? {}), "history"));
  }

  /**
   * Changes some of it.
   * @param {Object} patch
   * @param {{replace?: boolean, typing?: boolean}} [how] `typing` makes one step of history of a whole word
   */
  set(patch, { replace = false, typing = false } = {}) {
    const after = { ...this.now, ...patch };
    const moment = performance.now();
    const same = typing && moment - this.#typed < 1500;
    this.#typed = typing ? moment : 0;
    const [url, kept] = [address(after), { picture: after.picture }];
    if (replace || same) history.replaceState(kept, "", url);
    else if (url !== address(this.now) || after.picture !== this.now.picture) history.pushState(kept, "", url);
    this.#become(after, "page");
  }

  #become(after, from) {
    const before = this.now;
    const changed = new Set(Object.keys(after).filter((name) => JSON.stringify(after[name]) !== JSON.stringify(before[name])));
    this.now = after;
    if (changed.size) this.dispatchEvent(new CustomEvent("change", { detail: { before, changed, from } }));
  }
}
