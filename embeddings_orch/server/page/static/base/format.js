/** Numbers, dates and names for people. */

/** @import {Generation, Item, Metadata, Model} from "./shapes.js" */

const whole = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const minute = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/**
 * 1914 as "1,914".
 * @param {number} number
 */
export const count = (number) => whole.format(number);

/**
 * "1 hit", "2 hits".
 * @param {number} number
 * @param {string} one
 * @param {string} [several]
 */
export const some = (number, one, several = `${one}s`) => `${count(number)} ${number === 1 ? one : several}`;

/**
 * Seconds as "34 ms" or "1.2 s".
 * @param {number} number
 */
export const seconds = (number) => (number < 0.9995 ? `${Math.max(1, Math.round(number * 1000))} ms` : `${number.toFixed(1)} s`);

/**
 * A score with as many digits as tell it from its neighbours.
 * @param {number} number
 */
export const score = (number) => (Math.abs(number) >= 100 ? number.toFixed(0) : Math.abs(number) < 0.1 ? number.toFixed(4) : number.toFixed(3));

/**
 * An ISO time as "21 Nov, 14:40".
 * @param {string} iso
 */
export const time = (iso) => told(iso, minute);

/**
 * An ISO time as "21 Nov 2026".
 * @param {string} iso
 */
export const date = (iso) => told(iso, day);

/**
 * @param {string} iso
 * @param {Intl.DateTimeFormat} format
 */
function told(iso, format) {
  const moment = new Date(iso);
  return Number.isNaN(moment.getTime()) ? iso : format.format(moment);
}

/**
 * A model's name without the folders of a package or an organisation.
 * @param {Pick<Model, "name" | "column">} model
 */
export function modelName(model) {
  const name = model.name || model.column;
  const packaged = /^package:([^/]+)\/?/.exec(name)?.[1];
  return packaged ? packaged.replaceAll("_", "-") : lastOf(name);
}

/**
 * The models of a generation in one line.
 * @param {{models: Pick<Model, "name" | "column">[]}} generation
 */
export const modelNames = (generation) => [...new Set(generation.models.map(modelName))].join(" + ");

/**
 * The last part of a path.
 * @param {string} path
 */
export const lastOf = (path) => path.split("/").filter(Boolean).at(-1) ?? path;

/**
 * What an item is called.
 * @param {Item} item
 */
export function title({ id, metadata = {} }) {
  const { caption, text } = metadata;
  if (caption) return String(caption);
  return (text ? String(text).replace(/\s+/g, " ").slice(0, 90) : "") || lastOf(id);
}

/**
 * What a card calls an item whose text it shows already.
 * @param {Item} item
 */
export const shortTitle = (item) => (readable(item) && !item.metadata?.caption ? item.id : title(item));

/**
 * Whether an item is a text to read, not a picture or a sound.
 * @param {Item} item
 */
export function readable({ metadata = {} }) {
  const { modality, text } = metadata;
  return modality === "text" || Boolean(text && modality !== "image" && modality !== "audio");
}

/**
 * A value of metadata; null for none.
 * @param {string} name
 * @param {unknown} content
 */
export function value(name, content) {
  if (content === null || content === undefined || content === "") return null;
  if (Array.isArray(content)) return content.some((item) => typeof item === "object") ? JSON.stringify(content) : content.map(String).join(", ");
  if (typeof content === "object") return JSON.stringify(content);
  if (name === "size" && typeof content === "number") return bytes(content);
  if (typeof content === "number") return Number.isInteger(content) ? count(content) : String(content);
  return String(content);
}

/** @param {number} number */
function bytes(number) {
  const units = ["kB", "MB", "GB"];
  if (number < 1000) return `${number} B`;
  let place = 0;
  let rest = number / 1000;
  // What would be written as 1000.0 is 1.0 of the next unit.
  while (rest >= 999.95 && place < units.length - 1) {
    rest /= 1000;
    place += 1;
  }
  return `${rest.toFixed(1)} ${units[place]}`;
}
