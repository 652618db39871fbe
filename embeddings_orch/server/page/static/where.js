/** Filters as SQL with parameters: the names of columns come from the server, values go into `params`. */

/** A name as SQL reads it whatever it is; null where that cannot be. */
const quoted = (name) => (name.includes("`") ? null : `\`${name}\``);

/** A text as part of a pattern of LIKE. */
const pattern = (text) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;

/**
 * The condition for some filters, {} for none.
 * @param {Object} filters by column
 * @param {Array<{name: string, type: string}>} columns
 * @returns {{where?: string, params?: Object}}
 */
export function condition(filters, columns) {
  const params = {};
  const put = (value) => {
    const name = `p${Object.keys(params).length}`;
    params[name] = value;
    return `:${name}`;
  };
  const parts = [];
  for (const { name, type } of columns) {
    const filter = filters[name];
    const column = quoted(name);
    if (!filter || !column) continue;
    const some = [];
    if (filter.values?.length) {
      const values = type === "boolean" ? filter.values.map((one) => one === "true") : filter.values;
      if (type === "list") some.push(...values.map((one) => `array_has(${column}, ${put(one)})`));
      else some.push(`${column} IN ${put(values)}`);
    }
    if (filter.none) some.push(`${column} IS NULL`);
    if (some.length) parts.push(some.length > 1 ? `(${some.join(" OR ")})` : some[0]);
    if (filter.min) parts.push(bound(column, type, ">=", filter.min, put));
    if (filter.max) parts.push(bound(column, type, "<=", filter.max, put));
    if (filter.has) parts.push(`${column} ILIKE ${put(pattern(filter.has))}`);
  }
  const given = parts.filter(Boolean);
  return given.length ? { where: given.join(" AND "), params } : {};
}

function bound(column, type, sign, text, put) {
  if (type === "time") {
    // A day as people mean it: with all its hours.
    return /^\d{4}-\d\d-\d\d$/.test(text) ? `date_trunc('day', ${column}) ${sign} ${put(text)}` : null;
  }
  const number = Number(text);
  if (!Number.isFinite(number)) return null;
  // A column of whole numbers takes no fraction.
  return `${Number.isInteger(number) ? column : `${column} * 1.0`} ${sign} ${put(number)}`;
}

/** Each filter in words, with what remains when it is taken away. */
export function described(filters) {
  const chips = [];
  for (const [name, filter] of Object.entries(filters)) {
    const but = (patch) => {
      const rest = Object.fromEntries(
        Object.entries({ ...filter, ...patch }).filter(([, value]) => value && !(Array.isArray(value) && !value.length)),
      );
      const { [name]: _, ...others } = filters;
      return Object.keys(rest).length ? { ...others, [name]: rest } : others;
    };
    for (const value of filter.values ?? []) {
      chips.push({ label: `${name}: ${value}`, without: but({ values: filter.values.filter((one) => one !== value) }) });
    }
    if (filter.none) chips.push({ label: `${name}: none`, without: but({ none: false }) });
    if (filter.has) chips.push({ label: `${name} has “${filter.has}”`, without: but({ has: "" }) });
    if (filter.min && filter.max) chips.push({ label: `${name}: ${filter.min} – ${filter.max}`, without: but({ min: "", max: "" }) });
    else if (filter.min) chips.push({ label: `${name} from ${filter.min}`, without: but({ min: "" }) });
    else if (filter.max) chips.push({ label: `${name} up to ${filter.max}`, without: but({ max: "" }) });
  }
  return chips;
}
