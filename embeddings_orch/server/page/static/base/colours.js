/** Colours of the points: by a column's values, dimmed where the query did not find them. */

/** @typedef {"light" | "dark"} Theme */

/**
 * Told apart by eye on both themes, in this order (after Okabe and Ito, and Tol).
 * @type {Readonly<Record<Theme, string[]>>}
 */
const HUES = {
  light: ["#4b4fc9", "#d1495b", "#1f8a70", "#c77f0a", "#7b4fa3", "#2d7fb8", "#8a8f2b", "#b0508f", "#5b6b7c", "#9c6644", "#3aa6a0", "#d96b3b"],
  dark: ["#9ba0ff", "#ff8a94", "#5ecfae", "#f2b84b", "#c79cf0", "#6cc0f5", "#cdd264", "#f29bd0", "#a5b4c5", "#d9a77f", "#7be0da", "#ff9d70"],
};
const OTHER = { light: "#b3aea5", dark: "#5f5f6c" };

/**
 * The colour of the value in a place of the legend.
 * @param {number} place
 * @param {Theme} theme
 */
export const hue = (place, theme) => HUES[theme][place] ?? OTHER[theme];

/** How many values have a colour of their own. */
export const MOST = HUES.light.length;

/**
 * Red, green, blue, alpha of each point.
 * @param {number} number of points
 * @param {Int16Array | null} codes the value of each point, -1 for none
 * @param {Set<number>} off values that are not shown
 * @param {Set<number> | null} found points that the query found
 * @param {Theme} theme
 */
export function paint(number, codes, off, found, theme) {
  const palette = HUES[theme].map(channels);
  const other = channels(OTHER[theme]);
  const colours = new Uint8Array(4 * number);
  const strong = number > 20_000 ? 150 : 205;
  const weak = theme === "dark" ? 70 : 84;
  for (let point = 0; point < number; point += 1) {
    const code = codes?.[point] ?? 0;
    const [red, green, blue] = palette[code] ?? other;
    const at = 4 * point;
    colours[at] = red;
    colours[at + 1] = green;
    colours[at + 2] = blue;
    colours[at + 3] = off.has(code) ? 0 : found && !found.has(point) ? weak : strong;
  }
  return colours;
}

/**
 * @param {string} colour "#rrggbb"
 * @returns {[red: number, green: number, blue: number]}
 */
function channels(colour) {
  const all = Number.parseInt(colour.slice(1), 16);
  return [all >> 16, (all >> 8) & 255, all & 255];
}
