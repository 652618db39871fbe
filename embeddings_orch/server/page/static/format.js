/** Numbers, dates and names for people. */

const whole = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });
const minute = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });

/** 1914 as "1,914". */
export const count = (number) => whole.format(number);

/** "1 hit", "2 hits". */
export const some = (number, one, several = `${one}s`) => `${count(number)} ${number === 1 ? one : several}`;

/** Seconds as "34 ms" or "1.2 s". */
export const seconds = (number) => (number < 0.9995 ? `${Math.max(1, Math.round(number * 1000))} ms` : `${number.toFixed(1)} s`);

/** A score with as many digits as tell it from its neighbours. */
export const score = (number) => (Math.abs(number) >= 100 ? number.toFixed(0) : Math.abs(number) < 0.1 ? number.toFixed(4) : number.toFixed(3));

/** An ISO time as "21 Nov, 14:40". */
export function time(iso) {
  const moment = new Date(iso);
  return Number.isNaN(moment.getTime()) ? String(iso) : minute.format(moment);
}

/** An ISO time as "21 Nov 2026". */
export function date(iso) {
  const moment = new Date(iso);
  return Number.isNaN(moment.getTime()) ? String(iso) : day.format(moment);
}

/** A model's name without the folders of a package or an organisation. */
export function modelName(model) {
  const name = String(model.name || model.column);
  const packaged = /^package:([^/]+)\/?/.exec(name);
  return packaged ? packaged[1].replaceAll("_", "-") : name.split("/").filter(Boolean).at(-1);
}

/** The models of a generation in one line. */
export const modelNames = (generation) => [...new Set(generation.models.map(modelName))].join(" + ");

/** What an item is called. */
export function title(hit) {
  const { caption, text } = hit.metadata ?? {};
  return caption || (text ? String(text).replace(/\s+/g, " ").slice(0, 90) : "") || hit.id.split("/").at(-1);
}

/** What a card calls an item whose text it shows already. */
export const shortTitle = (hit) => (readable(hit) && !hit.metadata.caption ? hit.id : title(hit));

/** Whether an item is a text to read, not a picture or a sound. */
export function readable({ metadata }) {
  const { modality, text } = metadata ?? {};
  return modality === "text" || Boolean(text && modality !== "image" && modality !== "audio");
}

/** A value of metadata. */
export function value(name, content) {
  if (content === null || content === undefined || content === "") return null;
  if (Array.isArray(content)) return content.map(String).join(", ");
  if (typeof content === "object") return JSON.stringify(content);
  if (name === "size" && typeof content === "number") return bytes(content);
  if (typeof content === "number") return Number.isInteger(content) ? count(content) : String(content);
  return String(content);
}

function bytes(number) {
  const units = ["B", "kB", "MB", "GB"];
  let place = 0;
  let rest = number;
  while (rest >= 1000 && place < units.length - 1) {
    rest /= 1000;
    place += 1;
  }
  return `${place ? rest.toFixed(1) : rest} ${units[place]}`;
}
