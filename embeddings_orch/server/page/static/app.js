/** The page: what the state says is what is shown. */

import * as api from "./api.js";
import { byId } from "./dom.js";
import { Detail } from "./detail.js";
import { Filters } from "./filters.js";
import { Finder } from "./finder.js";
import { title } from "./format.js";
import { listen, showKeys } from "./keys.js";
import { MapView } from "./map.js";
import * as messages from "./messages.js";
import { showMode } from "./mode.js";
import { keptPicture } from "./picture.js";
import { showPickers } from "./pickers.js";
import { Query } from "./query.js";
import { asks, MEANING } from "./request.js";
import { askForKey } from "./session.js";
import { State } from "./state.js";
import { toggleTheme } from "./theme.js";

const SEARCHED = ["index", "generation", "text", "like", "picture", "column", "alpha", "filters", "seed", "against"];
const NOTHING = { text: "", like: null, picture: null };
const WIDE = matchMedia("(min-width: 1280px)");
const PHONE = matchMedia("(max-width: 1099px)");

const state = new State();
let indexes = [];
let index = null; // of /v1/indexes
let generation = null;
let facets = [];
let filtersOpen = WIDE.matches;

api.onKeyNeeded(askForKey);

const key = () => `${index.pipeline}/${index.index}`;
const set = (patch, how) => state.set(patch, how);
const other = () => 1 + Math.floor(Math.random() * 1e6);
const clear = () => set({ ...NOTHING, item: null });

const acts = {
  set,
  clear,
  like: (hit) => {
    set({ ...NOTHING, like: hit.id, item: PHONE.matches ? null : state.now.item && hit.id, view: "grid" });
    scrollTo({ top: 0 });
  },
  open: (hit) => {
    set({ item: hit.id }, { replace: state.now.item !== null });
    if (PHONE.matches) detail.focus();
  },
  moved: (id) => state.now.item !== null && id && set({ item: id }, { replace: true }),
  leave: () => query.focus(),
  waiting: (waiting) => query.wait(waiting),
  found: (hits) => {
    map.found(asks(state.now) || Object.keys(state.now.filters).length ? hits : null);
    finder.choose(state.now.item);
  },
  retry: () => start(),
};

const finder = new Finder({ ...acts, moved: (id) => (id === undefined ? refresh() : acts.moved(id)) });
const detail = new Detail({
  like: acts.like,
  map: (hit) => {
    set({ view: "map", item: hit.id });
    map.choose(hit.id, true);
  },
  close: () => closeDetail(),
});
const filters = new Filters({ set: (chosen) => set({ filters: chosen }), close: () => toggleFilters(false) });
const map = new MapView({
  open: (id) => set({ item: id }, { replace: state.now.item !== null }),
  column: (column) => set({ column }),
  known: finder.known,
});
const query = new Query({
  typed: (text) => set({ text, item: null }, { typing: true }),
  picture: (picture) => set({ picture, like: null, item: null }),
  failed: (error) => byId("notice").replaceChildren(messages.notice(error.message, undefined, true)),
  down: () => (state.now.view === "map" ? map.focus() : finder.focus()),
  clear,
  dropChip: () => set({ like: null, picture: null }),
});

/** Asks what there is, and shows the rest by it. */
async function start() {
  try {
    indexes = (await api.indexes()).indexes;
  } catch (error) {
    finder.fail(error);
    return;
  }
  await show(new Set(Object.keys(state.now)));
}

/** Something was published: what there is has changed. */
async function refresh() {
  indexes = await api.indexes().then((one) => one.indexes, () => indexes);
  const before = generation?.id;
  choose();
  if (generation && generation.id !== before) {
    await loadFacets();
    controls();
  }
}

function choose() {
  const { now } = state;
  index = indexes.find((one) => `${one.pipeline}/${one.index}` === now.index || one.index === now.index) ?? (now.index ? null : (indexes.find((one) => one.published) ?? indexes[0])) ?? null;
  const wanted = now.generation ?? index?.published;
  generation = index?.generations.find((one) => one.id === wanted) ?? null;
}

async function show(changed) {
  const { now } = state;
  choose();
  if (!index) return lost();
  byId("tools").hidden = false;
  if (changed.has("index") || changed.has("generation")) facets = [];
  await asked();
  controls();
  if (!generation) return missing();
  if (changed.has("index") || changed.has("generation")) loadFacets().then(controls);
  if (SEARCHED.some((name) => changed.has(name))) finder.run(now, index, generation);
  if (changed.has("item")) showItem();
  views();
  return undefined;
}

function lost() {
  byId("tools").hidden = indexes.length === 0;
  if (!indexes.length) finder.say(messages.noIndex(start));
  else finder.say(messages.failure(new api.ApiError(`There is no index “${state.now.index}”.`, { status: 404 }), () => set({ index: null, generation: null })));
  byId("status").textContent = "";
}

function missing() {
  byId("map").hidden = true;
  byId("results").hidden = false;
  byId("status").textContent = "";
  const { now } = state;
  const other = index.generations[0];
  if (now.generation) finder.say(messages.failure(new api.ApiError(`There is no generation “${now.generation}” of this index any more.`, { status: 404 }), () => set({ generation: null, against: null })));
  else finder.say(messages.notPublished(index, start, other && (() => set({ generation: other.id }))));
}

async function loadFacets() {
  const own = generation;
  const found = await api.facets(key(), own.id).catch(() => null);
  if (own !== generation || !found) return;
  facets = found.columns;
  if (!index.columns?.length) index.columns = facets.map(({ name, type }) => ({ name, type }));
}

/** Shows in the box what is asked. */
async function asked() {
  const { now } = state;
  const picture = await keptPicture(now.picture);
  if (now !== state.now) return;
  const hit = now.like !== null && (finder.known.get(now.like) ?? { id: now.like });
  const like = hit && { label: title(hit), address: api.thumbnail(key(), generation?.id ?? null, now.like, 64) };
  query.show({ text: now.text, picture: picture && { label: picture.label, small: picture.small }, like: like || null });
  if (hit && !hit.metadata) loadLiked(now.like);
  document.title = [now.text.trim() || (like && `Like ${like.label}`) || (picture && "A picture") || "Search", index.index].join(" · ");
}

/** An item to search by may be known by its id only, after a reload. */
async function loadLiked(id) {
  const found = await api.item(key(), generation?.id ?? null, id).catch(() => null);
  if (!found || state.now.like !== id || finder.known.has(id)) return;
  finder.known.set(id, found);
  asked();
}

function controls() {
  const { now } = state;
  showPickers(now, indexes, index, generation, set);
  if (generation) showMode(now, index, generation, set);
  byId("mode").hidden = !generation;
  byId("shuffle").hidden = asks(now) || !generation;
  filters.show(facets, now.filters);
  filters.chips(now.filters);
  byId("filters").hidden = !filtersOpen || !generation;
  byId("filters-toggle").setAttribute("aria-expanded", String(filtersOpen));
  if (generation && now.view === "map") views();
}

function views() {
  const mapped = state.now.view === "map";
  byId("map").hidden = !mapped;
  byId("results").hidden = mapped;
  byId("view-grid").setAttribute("aria-pressed", String(!mapped));
  byId("view-map").setAttribute("aria-pressed", String(mapped));
  if (!mapped) return;
  const { column } = state.now;
  const maps = generation.maps;
  map.show({ index: key(), generation, column: maps.includes(column) ? column : (maps[0] ?? generation.models[0].column), facets });
}

function showItem() {
  const { item } = state.now;
  finder.choose(item);
  map.choose(item);
  if (item === null) return detail.hide();
  return detail.show(item, finder.known.get(item) ?? null, { index: key(), generation: generation.id, meaning: MEANING[finder.kind] ?? null, mapped: state.now.view !== "map" && generation.maps.length > 0 });
}

function closeDetail() {
  const { item } = state.now;
  set({ item: null }, { replace: true });
  if (state.now.view === "map") map.focus();
  else (finder.results.grid.of(item)?.querySelector(".frame") ?? byId("words")).focus();
}

function toggleFilters(open = !filtersOpen) {
  filtersOpen = open;
  controls();
  if (open && !WIDE.matches) byId("filters").querySelector("button")?.focus();
  if (!open) byId("filters-toggle").focus();
}

function escape() {
  if (state.now.item !== null) return closeDetail();
  if (filtersOpen && !WIDE.matches) return toggleFilters(false);
  if (asks(state.now) || byId("words").value) {
    clear();
    query.focus();
  } else document.activeElement?.blur();
  return undefined;
}

byId("view-grid").addEventListener("click", () => set({ view: "grid" }));
byId("view-map").addEventListener("click", () => set({ view: "map", against: null }));
byId("filters-toggle").addEventListener("click", () => toggleFilters());
byId("theme").addEventListener("click", toggleTheme);
byId("keys").addEventListener("click", showKeys);
byId("shuffle").addEventListener("click", () => set({ seed: other() }));
document.querySelector(".brand").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  set({ ...NOTHING, filters: {}, item: null, view: "grid", against: null, generation: null, seed: 0 });
});
listen({
  "/": () => query.focus(),
  Escape: escape,
  "?": showKeys,
  f: () => toggleFilters(),
  g: () => set({ view: "grid" }),
  m: () => {
    set({ view: "map", against: null });
    map.focus();
  },
  t: toggleTheme,
});
WIDE.addEventListener("change", () => {
  filtersOpen = WIDE.matches;
  if (index) controls();
});
state.addEventListener("change", (event) => index || indexes.length ? show(event.detail.changed) : undefined);
finder.results.wait();
byId("results").replaceChildren(...finder.results.nodes);
byId("filters").hidden = !filtersOpen;
start();
