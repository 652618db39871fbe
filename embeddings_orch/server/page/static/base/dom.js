/** Elements from plain data. Text becomes text nodes: markup in data is never read as markup. */

/**
 * What an element may hold; nothing for null, undefined and false.
 * @typedef {Node | string | number | null | undefined | false | readonly Child[]} Child
 * @typedef {{[Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => unknown}} Handlers
 * @typedef {{class?: string, on?: Handlers, data?: {[name: string]: string}, [name: string]: unknown}} Props
 *   `class`, `on` ({event: handler}), `data`, properties (`hidden`, `tabIndex`, ...) or attributes
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag its name
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, { class: names, on = {}, data = {}, ...rest } = {}, ...children) {
  const element = document.createElement(tag);
  if (names !== undefined) element.className = names;
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined || value === null) continue;
    if (name in element && typeof value !== "string") Object.assign(element, { [name]: value });
    else element.setAttribute(name, String(value));
  }
  Object.assign(element.dataset, data);
  for (const [event, act] of Object.entries(on)) element.addEventListener(event, /** @type {EventListener} */ (act));
  element.append(...flat(children));
  return element;
}

/**
 * @param {readonly Child[]} children
 * @returns {(Node | string)[]}
 */
function flat(children) {
  return children.flatMap((child) => {
    if (child === null || child === undefined || child === false) return [];
    if (typeof child === "string" || typeof child === "number") return [String(child)];
    return child instanceof Node ? [child] : flat(child);
  });
}

/**
 * An icon of the sprite in the page.
 * @param {string} name
 */
export function icon(name) {
  const svg = drawing("svg", { class: "icon", "aria-hidden": "true" });
  svg.append(drawing("use", { href: `#i-${name}` }));
  return svg;
}

/**
 * A dot of a colour.
 * @param {string} colour
 */
export function dot(colour) {
  const svg = drawing("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
  svg.append(drawing("circle", { cx: "5", cy: "5", r: "4.5", fill: colour }));
  return svg;
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{[name: string]: string}} attributes
 */
function drawing(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/**
 * An element of the page by its id.
 * @overload
 * @param {string} id
 * @returns {HTMLElement}
 */
/**
 * An element of the page by its id, of a kind.
 * @template {HTMLElement} Kind
 * @overload
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
/**
 * @param {string} id
 * @param {new () => HTMLElement} [kind]
 */
export function byId(id, kind = HTMLElement) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${kind.name} with the id ${id}`);
  return found;
}

/**
 * The first element that a selector finds; null where there is none, or none that can have the focus.
 * @param {ParentNode | null | undefined} within
 * @param {string} selector
 */
export function find(within, selector) {
  const found = within?.querySelector(selector);
  return found instanceof HTMLElement ? found : null;
}

/**
 * The element that an event is about, where there is one.
 * @param {Event} event
 */
export const targetOf = (event) => (event.target instanceof Element ? event.target : null);

/**
 * The name of the part of an element that has the focus, by which it is found again when it was drawn anew.
 * @param {HTMLElement} within
 */
export function focusedIn(within) {
  const active = document.activeElement;
  return active instanceof HTMLElement && within.contains(active) ? (active.dataset.focus ?? null) : null;
}

/**
 * Puts the focus back on the part of that name.
 * @param {HTMLElement} within
 * @param {string | null} name
 */
export function focusAgain(within, name) {
  if (name !== null) find(within, `[data-focus="${CSS.escape(name)}"]`)?.focus();
}

/**
 * What draws on a canvas.
 * @param {HTMLCanvasElement} canvas
 */
export function pen(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser cannot draw on a canvas.");
  return context;
}

/**
 * A drop-down.
 * @param {string} label
 * @param {{value: string, label: string}[]} options
 * @param {string} value
 * @param {(value: string) => void} choose
 */
export function select(label, options, value, choose) {
  const list = h(
    "select",
    { "aria-label": label, data: { focus: label } },
    options.map((one) => h("option", { value: one.value }, one.label)),
  );
  list.value = value;
  list.addEventListener("change", () => choose(list.value));
  return h("span", { class: "select" }, list);
}

/**
 * A button with an icon and words.
 * @param {string | null} name of the icon
 * @param {string} label
 * @param {() => unknown} act
 * @param {Props} [props]
 */
export function button(name, label, act, props = {}) {
  return h("button", { type: "button", class: "button", ...props, on: { click: () => act() } }, name && icon(name), label);
}

/**
 * Copies a text and shows that it did.
 * @param {string} text
 * @param {HTMLElement} from what was pressed
 */
export async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { class: "unseen" });
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
