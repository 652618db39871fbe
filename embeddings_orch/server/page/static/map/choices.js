/** What lies at the edges of the map: which map, coloured by what, and the legend of the colours. */

import { hue } from "../base/colours.js";
import { dot, h, select } from "../base/dom.js";
import { count } from "../base/format.js";
import { theme } from "../base/theme.js";

/** @import {FacetValue} from "../base/shapes.js" */
/** @import {Drawing} from "./drawing.js" */

const LONGEST = 24; // values that a legend lists

/**
 * The choices and what is said of the map.
 * @param {object} what
 * @param {Drawing} what.drawing
 * @param {string[]} what.maps the columns that there are maps of
 * @param {string} what.column the map's
 * @param {string[]} what.columns to colour by
 * @param {string | null} what.by the column that it is coloured by
 * @param {{column: (column: string) => void, colour: (by: string | null) => void}} acts
 */
export function choices({ drawing, maps, column, columns, by }, acts) {
  const parts = [];
  if (maps.length > 1) parts.push(select("Map of", maps.map((one) => ({ value: one, label: `map of ${one}` })), column, acts.column));
  if (columns.length) {
    const options = [{ value: "", label: "one colour" }, ...columns.map((one) => ({ value: one, label: `colour by ${one}` }))];
    parts.push(select("Colour by", options, by ?? "", (value) => acts.colour(value || null)));
  }
  const { method, rows, explained } = drawing.about;
  const number = drawing.points.number;
  const kept = explained ? ` · shows ${Math.round(100 * (explained[0] + explained[1]))} % of the variance` : "";
  const sample = number < rows ? ` of ${count(rows)}` : "";
  return [...parts, h("span", { class: "pill" }, `${count(number)}${sample} points · ${method.toUpperCase()}${kept}`)];
}

/**
 * The entries of the legend; a press hides or shows the points of a value.
 * @param {Drawing} drawing
 * @param {FacetValue[]} values
 */
export function legend(drawing, values) {
  return values.slice(0, LONGEST).map(({ value, count: number }, place) => {
    const shown = () => String(!drawing.off.has(place));
    const toggle = () => {
      if (!drawing.off.delete(place)) drawing.off.add(place);
      press.setAttribute("aria-pressed", shown());
      drawing.repaint();
    };
    const press = h(
      "button",
      { type: "button", "aria-pressed": shown(), title: "Show or hide", on: { click: toggle } },
      dot(hue(place, theme())),
      h("span", { class: "label" }, String(value)),
      h("span", { class: "count" }, count(number)),
    );
    return press;
  });
}
