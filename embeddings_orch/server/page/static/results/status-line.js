/** What is said of the results, in one line. */

import { count, seconds, some } from "../base/format.js";

/** @import {SearchAnswer} from "../base/shapes.js" */

/**
 * @param {object} found
 * @param {readonly unknown[]} found.hits
 * @param {boolean} found.asks whether something was asked, not only filtered
 * @param {boolean} found.filtered
 * @param {number} found.rows of the generation
 * @param {number} found.seconds
 * @param {boolean} full whether there may be more hits
 */
export function foundLine({ hits, asks, filtered, rows, seconds: took }, full) {
  const number = hits.length;
  if (!asks && !filtered) return `A look at ${some(rows, "item")}`;
  if (!number) return "No hits";
  return `${full ? "First " : ""}${some(number, asks ? "hit" : "item")} of ${count(rows)} · ${seconds(took)}`;
}

/**
 * @param {Pick<SearchAnswer, "hits" | "seconds">} one
 * @param {Pick<SearchAnswer, "hits" | "seconds">} other
 */
export const besideLine = (one, other) => `${some(one.hits.length, "hit")} beside ${count(other.hits.length)} · ${seconds(Math.max(one.seconds, other.seconds))}`;
