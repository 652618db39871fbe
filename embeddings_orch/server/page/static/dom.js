/** Elements from plain data. Text becomes text nodes: markup in data is never read as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element.
 * @param {string} tag its name
 * @param {Object} [props] `class`, `on` ({event: handler}), `data`, properties (`hidden`, `value`, ...) or attributes
 * @param {...(Node|string|number|null|undefined|Array)} children
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An icon of the sprite in the page. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A dot of a colour. */
export function dot(colour) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 10 10");
  svg.setAttribute("aria-hidden", "true");
  const circle = document.createElementNS(SVG, "circle");
  for (const [name, value] of Object.entries({ cx: 5, cy: 5, r: 4.5, fill: colour })) circle.setAttribute(name, value);
  svg.append(circle);
  return svg;
}

/** An element of the page by its id. */
export const byId = (id) => document.getElementById(id);

/** A drop-down: `options` are {value, label, disabled?}. */
export function select(label, options, value, choose, props = {}) {
  const list = h(
    "select",
    { "aria-label": label, ...props, on: { change: () => choose(list.value) } },
    options.map((one) => h("option", { value: one.value, disabled: one.disabled ?? false }, one.label)),
  );
  list.value = value;
  return h("span", { class: "select" }, list);
}

/** A button with an icon and words. */
export function button(name, label, act, props = {}) {
  return h("button", { type: "button", class: "button", ...props, on: { click: act } }, name && icon(name), label);
}

/** Copies a text and shows that it did. */
export async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { class: "unseen", value: text });
    document.body.append(field);
    field.value = text;
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  const before = [...from.childNodes];
  from.replaceChildren(icon("done"), from.classList.contains("copy") ? "" : "Copied");
  setTimeout(() => from.replaceChildren(...before), 1300);
}
