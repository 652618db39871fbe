/** The page: what the state says is what is shown. */

import * as api from "./base/api.js";
import { Detail } from "./results/detail.js";
import { wire } from "./query/buttons.js";
import { byId, find } from "./base/dom.js";
import { Filters } from "./query/filters.js";
import { Finder } from "./results/finder.js";
import { LeftOut } from "./results/left-out.js";
import { title } from "./base/format.js";
import { MapView } from "./map/map.js";
import * as messages from "./base/messages.js";
import { showMode } from "./query/mode.js";
import { keptPicture } from "./query/picture.js";
import { showPickers } from "./query/pickers.js";
import { keyOf, meant } from "./base/published.js";
import { Query } from "./query/query.js";
import { asks, MEANING } from "./query/request.js";
import { askForKey } from "./base/session.js";
import { State } from "./base/state.js";

/** @import {Facet, Generation, Hit, Index} from "./base/shapes.js" */
/** @import {SetState} from "./base/state.js" */

const SEARCHED = ["index", "generation", "text", "like", "picture", "column", "alpha", "filters", "seed", "against"];
const NOTHING = { text: "", like: null, picture: null };
const PHONE = matchMedia("(max-width: 1099px)");

/** @type {Index[]} */
let indexes = [];
/** @type {Index | null} */
let index = null;
/** @type {Generation | null} */
let generation = null;
/** @type {Facet[]} */
let facets = [];

const state = new State((changed) => {
  if (indexes.length) show(changed);
});
api.onKeyNeeded(askForKey);

/** @type {SetState} */
const set = (patch, how) => state.set(patch, how);
const clear = () => set({ ...NOTHING, item: null });

/** @param {Hit} hit */
function like(hit) {
  const open = state.now.item !== null && !PHONE.matches;
  set({ ...NOTHING, like: hit.id, item: open ? hit.id : null, view: "grid" });
  scrollTo({ top: 0 });
}

/** @param {string} id */
const open = (id) => set({ item: id }, { replace: state.now.item !== null });

const finder = new Finder({
  set,
  clear,
  like,
  open: (hit) => {
    open(hit.id);
    if (PHONE.matches) detail.focus();
  },
  moved: (id) => {
    if (state.now.item !== null) set({ item: id }, { replace: true });
  },
  leave: () => query.focus(),
  waiting: (waiting) => query.wait(waiting),
  found: (hits) => {
    map.found(asks(state.now) || Object.keys(state.now.filters).length ? hits : null);
    finder.choose(state.now.item);
  },
  retry: start,
  published: refresh,
});
const detail = new Detail({
  like,
  map: (hit) => {
    set({ view: "map", item: hit.id });
    map.choose(hit.id, true);
  },
  close: closeDetail,
});
const filters = new Filters((chosen) => set({ filters: chosen }));
const leftOut = new LeftOut();
const map = new MapView({ open, column: (column) => set({ column }), known: finder.known });
const query = new Query({
  typed: (text) => set({ text, item: null }, { typing: true }),
  picture: (picture) => set({ picture, like: null, item: null }),
  failed: (error) => byId("notice").replaceChildren(messages.notice(error.message, null, true)),
  down: () => (state.now.view === "map" ? map : finder).focus(),
  clear,
  dropChip: () => set({ like: null, picture: null }),
});

/** Asks what there is, and shows the rest by it. */
async function start() {
  try {
    indexes = (await api.indexes()).indexes;
  } catch (error) {
    finder.fail(api.asError(error));
    return;
  }
  show(new Set(Object.keys(state.now)));
}

/** Something was published: what there is has changed. */
async function refresh() {
  const found = await api.indexes().catch(() => null);
  if (found) indexes = found.indexes;
  const before = generation?.id;
  ({ index, generation } = meant(indexes, state.now));
  leftOut.show(index, generation);
  if (index && generation && generation.id !== before) {
    finder.count(generation);
    await loadFacets(index, generation);
    controls();
  }
}

/** @param {Set<string>} changed */
function show(changed) {
  const { now } = state;
  ({ index, generation } = meant(indexes, now));
  leftOut.show(index, generation);
  byId("tools").hidden = indexes.length === 0;
  if (!index) {
    lost();
    return;
  }
  const other = changed.has("index") || changed.has("generation");
  if (other) facets = [];
  showAsked(index);
  controls();
  if (!generation) {
    missing(index);
    return;
  }
  if (other) loadFacets(index, generation).then(controls);
  if (SEARCHED.some((name) => changed.has(name))) finder.run(now, index, generation);
  if (changed.has("item")) showItem(index, generation);
  views();
}

function lost() {
  if (!indexes.length) finder.say(messages.noIndex(start));
  else finder.say(messages.noSuchIndex(state.now.index ?? "", () => set({ index: null, generation: null })));
  byId("status").textContent = "";
}

/** @param {Index} of */
function missing(of) {
  byId("map").hidden = true;
  byId("results").hidden = false;
  byId("status").textContent = "";
  const { now } = state;
  const [other] = of.generations;
  if (now.generation) finder.say(messages.noSuchGeneration(now.generation, () => set({ generation: null, against: null })));
  else finder.say(messages.notPublished(of, start, other ? () => set({ generation: other.id }) : null));
}

/**
 * @param {Index} of
 * @param {Generation} own
 */
async function loadFacets(of, own) {
  const found = await api.facets(keyOf(of), own.id).catch(() => null);
  if (own !== generation || !found) return;
  facets = found.columns;
  if (of.columns.length) return;
  of.columns = facets.map(({ name, type }) => ({ name, type }));
  // Without the columns no filter was asked for.
  if (Object.keys(state.now.filters).length) finder.run(state.now, of, own);
}

/**
 * Shows in the box what is asked.
 * @param {Index} of
 */
async function showAsked(of) {
  const { now } = state;
  const picture = await keptPicture(now.picture);
  if (now !== state.now) return;
  const own = generation?.id ?? null;
  const known = now.like === null ? undefined : finder.known.get(now.like);
  const liked = now.like === null ? null : { label: title(known ?? { id: now.like }), address: api.thumbnail(keyOf(of), own, now.like, 64) };
  query.show({ text: now.text, picture, like: liked });
  document.title = [now.text.trim() || (liked && `Like ${liked.label}`) || (picture && "A picture") || "Search", of.index].join(" · ");
  if (now.like === null || known) return;
  // An item to search by is known by its id only, after a reload.
  const found = await api.item(keyOf(of), own, now.like).catch(() => null);
  if (!found || state.now.like !== now.like || finder.known.has(now.like)) return;
  finder.known.set(now.like, found);
  showAsked(of);
}

function controls() {
  const { now } = state;
  if (!index) return;
  showPickers(now, indexes, index, generation, set);
  if (generation) showMode(now, index, generation, set);
  byId("mode").hidden = !generation;
  byId("shuffle").hidden = asks(now) || !generation;
  filters.show(facets, now.filters, generation !== null);
  if (now.view === "map") views();
}

function views() {
  if (!index || !generation) return;
  const mapped = state.now.view === "map";
  byId("map").hidden = !mapped;
  byId("results").hidden = mapped;
  byId("view-grid").setAttribute("aria-pressed", String(!mapped));
  byId("view-map").setAttribute("aria-pressed", String(mapped));
  if (!mapped) return;
  const { maps, models } = generation;
  const column = maps.find((one) => one === state.now.column) ?? maps[0] ?? models[0].column;
  map.show({ index: keyOf(index), generation, column, facets });
}

/**
 * @param {Index} of
 * @param {Generation} own
 */
function showItem(of, own) {
  const { item, view } = state.now;
  finder.choose(item);
  map.choose(item);
  if (item === null) detail.hide();
  else detail.show(item, finder.known.get(item) ?? null, { index: keyOf(of), generation: own.id, meaning: finder.kind && MEANING[finder.kind], mapped: view !== "map" && own.maps.length > 0 });
}

function closeDetail() {
  const { item } = state.now;
  set({ item: null }, { replace: true });
  if (state.now.view === "map") map.focus();
  else (find(item === null ? null : finder.results.grid.of(item), ".frame") ?? byId("words")).focus();
}

function escape() {
  if (state.now.item !== null) closeDetail();
  else if (filters.covers) filters.toggle(false);
  else if (asks(state.now) || byId("words", HTMLInputElement).value) {
    clear();
    query.focus();
  } else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

wire({
  set,
  escape,
  again: () => set({ ...NOTHING, filters: {}, item: null, view: "grid", against: null, generation: null, seed: 0 }),
  words: () => query.focus(),
  filters: () => filters.toggle(),
  map: () => map.focus(),
});
finder.results.wait();
byId("results").replaceChildren(...finder.results.nodes);
start();
