/** What two lists of hits have in common, and how each item moved from one to the other. */

/** @import {Hit} from "../base/shapes.js" */
/** @import {Mark} from "./tile.js" */

/** @typedef {readonly Pick<Hit, "id">[]} Ids the best first */

/**
 * How the items of a list moved, by id.
 * @param {Ids} from
 * @param {Ids} to
 * @returns {Map<string, Mark>}
 */
export function moves(from, to) {
  const places = new Map(from.map(({ id }, place) => [id, place]));
  return new Map(to.map(({ id }, place) => [id, moved(places.get(id), place)]));
}

/**
 * @param {number | undefined} before
 * @param {number} place
 * @returns {Mark}
 */
function moved(before, place) {
  if (before === undefined) return { kind: "new", label: "new", said: "new" };
  const steps = Math.abs(before - place);
  if (steps === 0) return { kind: "same", label: "=", said: "same place" };
  return before > place ? { kind: "up", label: `▲ ${steps}`, said: `${steps} up` } : { kind: "down", label: `▼ ${steps}`, said: `${steps} down` };
}

/**
 * The comparison of two lists: the marks of both, how many items of how many they share, what is said of the first hit.
 * @param {Ids} one
 * @param {Ids} other
 */
export function compared(one, other) {
  const there = new Set(other.map(({ id }) => id));
  const lost = one.filter(({ id }) => !there.has(id));
  /** @type {Map<string, Mark>} */
  const gone = new Map(lost.map(({ id }) => [id, { kind: "gone", label: "gone", said: "not in the other" }]));
  const common = one.length - lost.length;
  const most = Math.max(one.length, other.length);
  const [first, second] = [one[0], other[0]];
  return {
    gone,
    moves: moves(one, other),
    common,
    most,
    share: most ? common / most : 1,
    first: !first || !second ? "" : first.id === second.id ? "The first hit is the same." : "The first hit is another.",
  };
}
