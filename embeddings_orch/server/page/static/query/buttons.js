/** The buttons of the bar, and the keys that do the same. */

import { byId } from "../base/dom.js";
import { listen, showKeys } from "../base/keys.js";
import { toggleTheme } from "../base/theme.js";

/** @import {SetState} from "../base/state.js" */

/**
 * @typedef {object} ButtonActs
 * @property {SetState} set
 * @property {() => void} again all is begun anew
 * @property {() => void} words the keyboard goes to the search box
 * @property {() => void} filters opens or closes them
 * @property {() => void} map the keyboard goes to the map
 * @property {() => void} escape
 */

/**
 * Gives the buttons and the keys what they do.
 * @param {ButtonActs} acts
 */
export function wire({ set, again, words, filters, map, escape }) {
  const showGrid = () => set({ view: "grid" });
  const showMap = () => set({ view: "map", against: null });
  const shuffle = () => set({ seed: 1 + Math.floor(Math.random() * 1e6) });
  const buttons = { "view-grid": showGrid, "view-map": showMap, "filters-toggle": filters, theme: toggleTheme, keys: showKeys, shuffle };
  for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener("click", () => act());
  byId("brand").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // it is a link, too
    event.preventDefault();
    again();
  });
  const goToMap = () => {
    showMap();
    map();
  };
  listen({ "/": words, Escape: escape, "?": showKeys, f: filters, g: showGrid, m: goToMap, t: toggleTheme });
}
