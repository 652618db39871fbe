/** Filters as SQL with parameters: the names of columns come from the server, values go into `params`. */

/** @import {Column, ColumnType, Params} from "./shapes.js" */

const DAY = 24 * 60 * 60 * 1000; // milliseconds

/**
 * What is asked of a column: some of its values or none, a range, words it contains.
 * @typedef {{values?: string[], none?: boolean, min?: string, max?: string, has?: string}} Filter
 * @typedef {{readonly [column: string]: Filter}} Filters
 */

/**
 * The filter of a column. A column may be called like what every object has: `constructor`.
 * @param {Filters} filters
 * @param {string} name
 * @returns {Filter | undefined}
 */
export const filterOf = (filters, name) => (Object.hasOwn(filters, name) ? filters[name] : undefined);

/**
 * The filters with one of them changed; without it where it asks for nothing any more.
 * @param {Filters} filters
 * @param {string} name
 * @param {Filter} patch
 * @returns {Filters}
 */
export function changed(filters, name, patch) {
  const after = { ...filterOf(filters, name), ...patch };
  const asked = Object.fromEntries(Object.entries(after).filter(([, one]) => (Array.isArray(one) ? one.length > 0 : Boolean(one))));
  const { [name]: _, ...others } = filters;
  return Object.keys(asked).length ? { ...others, [name]: asked } : others;
}

/**
 * A name as a filter has to write it, whatever it is; null where no filter can have it.
 * @param {string} name
 */
export const quoted = (name) => (name.includes("`") ? null : `"${name.replaceAll('"', '""')}"`);

/**
 * A text as part of a pattern of LIKE.
 * @param {string} text
 */
const pattern = (text) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;

/**
 * The condition for some filters, {} for none.
 * @param {Filters} filters
 * @param {Column[]} columns
 * @returns {{where?: string, params?: Params}}
 */
export function condition(filters, columns) {
  /** @type {Params} */
  const params = {};
  /** @type {Put} */
  const put = (value) => {
    const name = `p${Object.keys(params).length}`;
    params[name] = value;
    return `:${name}`;
  };
  const parts = columns.flatMap(({ name, type }) => {
    const filter = filterOf(filters, name);
    const column = quoted(name);
    return filter && column ? conditions(filter, column, type, put) : [];
  });
  return parts.length ? { where: parts.join(" AND "), params } : {};
}

/**
 * Takes a value and gives the name of its parameter.
 * @typedef {(value: Params[string]) => string} Put
 */

/**
 * @param {Filter} filter
 * @param {string} column quoted
 * @param {ColumnType} type
 * @param {Put} put
 */
function conditions(filter, column, type, put) {
  const some = [];
  if (filter.values?.length) {
    if (type === "list") some.push(...filter.values.map((one) => `array_has(${column}, ${put(one)})`));
    else some.push(`${column} IN ${put(type === "boolean" ? filter.values.map((one) => one === "true") : filter.values)}`);
  }
  if (filter.none) some.push(`${column} IS NULL`);
  const parts = some.length > 1 ? [`(${some.join(" OR ")})`] : some;
  if (filter.min) parts.push(...bound(column, type, ">=", filter.min, put));
  if (filter.max) parts.push(...bound(column, type, "<=", filter.max, put));
  if (filter.has) parts.push(`${column} ILIKE ${put(pattern(filter.has))}`);
  return parts;
}

/**
 * The condition of one end of a range; none where the end is no number, day or time of a day.
 * @param {string} column
 * @param {ColumnType} type
 * @param {">=" | "<="} sign
 * @param {string} text
 * @param {Put} put
 */
function bound(column, type, sign, text, put) {
  if (type === "time") {
    if (/^\d\d:\d\d(:\d\d)?$/.test(text)) return [`${column} ${sign} ${put(text)}`];
    const day = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
    if (Number.isNaN(day)) return [];
    // A day as people mean it: with all its hours.
    if (sign === "<=" && text !== "9999-12-31") return [`${column} < ${put(new Date(day + DAY).toISOString().slice(0, 10))}`];
    return [`${column} ${sign} ${put(text)}`];
  }
  const number = Number(text);
  if (!Number.isFinite(number)) return [];
  // Large numbers go as they are written: here they would be rounded.
  return [`${column} ${sign} ${put(Math.abs(number) > Number.MAX_SAFE_INTEGER ? text : number)}`];
}

/**
 * Each filter in words, with what remains when it is taken away.
 * @param {Filters} filters
 */
export function described(filters) {
  /** @type {{label: string, without: Filters}[]} */
  const chips = [];
  for (const [name, filter] of Object.entries(filters)) {
    const { values = [], none, min, max, has } = filter;
    const chip = (/** @type {string} */ label, /** @type {Filter} */ patch) => chips.push({ label, without: changed(filters, name, patch) });
    for (const value of values) chip(`${name}: ${value}`, { values: values.filter((one) => one !== value) });
    if (none) chip(`${name}: none`, { none: false });
    if (has) chip(`${name} has “${has}”`, { has: "" });
    if (min && max) chip(`${name}: ${min} – ${max}`, { min: "", max: "" });
    else if (min) chip(`${name} from ${min}`, { min: "" });
    else if (max) chip(`${name} up to ${max}`, { max: "" });
  }
  return chips;
}
