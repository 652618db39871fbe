/** One result: its picture (or text, or sound), caption and score. */

import { h, icon } from "../base/dom.js";
import { lastOf, readable, score, shortTitle, title } from "../base/format.js";

/** @import {Hit, Item} from "../base/shapes.js" */

/**
 * How hits are shown.
 * @typedef {object} How
 * @property {(id: string) => (size: number) => string} addressOf the address of an item's picture
 * @property {string | null} meaning what scores mean; null where they mean nothing
 *
 * @typedef {{kind: "new" | "same" | "up" | "down" | "gone", label: string, said: string}} Mark
 * @typedef {{like: (hit: Hit) => void, open: (hit: Hit) => void}} TileActs
 */

const LITTLE = 110; // pixels: smaller pictures are not blown up to the whole frame

/**
 * The inside of a frame that shows an item.
 * @param {Item} hit
 * @param {(size: number) => string} address of its picture
 * @param {number} size in CSS pixels
 */
export function shown(hit, address, size) {
  if (readable(hit)) return h("span", { class: "words" }, String(hit.metadata?.text ?? title(hit)));
  if (hit.metadata?.modality === "audio") return nothing(hit, "sound");
  const image = h("img", { alt: "", loading: "lazy", decoding: "async", draggable: false });
  image.addEventListener("load", () => {
    const [wide, high] = [image.naturalWidth, image.naturalHeight];
    image.classList.toggle("little", Math.max(wide, high) < LITTLE);
    image.classList.toggle("fills", Math.max(wide, high) >= LITTLE && wide / high > 0.7 && wide / high < 1.43);
    image.classList.toggle("fits", !image.classList.contains("fills"));
    image.classList.add("shown");
  });
  image.addEventListener("error", () => image.replaceWith(nothing(hit, "picture")));
  image.srcset = `${address(size)} 1x, ${address(Math.min(512, size * 2))} 2x`;
  image.src = address(size);
  return image;
}

/**
 * @param {Item} hit
 * @param {string} name of the icon
 */
const nothing = (hit, name) => h("span", { class: "nothing" }, icon(name), lastOf(hit.id));

/**
 * A tile of the grid.
 * @param {Hit} hit
 * @param {How & TileActs & {mark?: Mark}} how
 */
export function tile(hit, { addressOf, meaning, like, open, mark }) {
  const name = title(hit);
  const scored = meaning !== null && typeof hit.score === "number" ? score(hit.score) : null;
  const said = [name, scored && `score ${scored}`, mark?.said].filter(Boolean).join(", ");
  const frame = h("button", { type: "button", class: "frame", tabIndex: -1, "aria-label": said, on: { click: () => open(hit) } }, shown(hit, addressOf(hit.id), 192));
  const more = h(
    "button",
    { type: "button", class: "like", tabIndex: -1, "aria-label": `More like ${name}`, title: "More like this (Enter)", on: { click: () => like(hit) } },
    icon("like"),
  );
  return h(
    "li",
    { class: `tile ${mark?.kind === "gone" ? "gone" : ""}`, data: { id: hit.id } },
    mark && h("span", { class: `mark ${mark.kind}`, "aria-hidden": "true" }, mark.label),
    frame,
    more,
    h(
      "div",
      { class: "below", "aria-hidden": "true" },
      h("span", { class: "caption", title: name }, shortTitle(hit)),
      scored && h("span", { class: "score", title: meaning }, scored),
    ),
  );
}

/**
 * Tiles that are still to come.
 * @param {number} number
 */
export const bones = (number) =>
  Array.from({ length: number }, () => h("li", { class: "tile", "aria-hidden": "true" }, h("div", { class: "frame bone" }), h("div", { class: "bone line" })));
