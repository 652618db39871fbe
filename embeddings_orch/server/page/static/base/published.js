/** Which index and which generation of it are meant. */

/** @import {Generation, Index} from "./shapes.js" */

/**
 * The name of an index for the server.
 * @param {Pick<Index, "pipeline" | "index">} one
 */
export const keyOf = (one) => `${one.pipeline}/${one.index}`;

/**
 * What is asked for, and where nothing is, what is published. Null where there is none.
 * @param {Index[]} indexes
 * @param {{index: string | null, generation: string | null}} asked
 * @returns {{index: Index | null, generation: Generation | null}}
 */
export function meant(indexes, asked) {
  const usual = indexes.find((one) => one.published) ?? indexes[0];
  const index = indexes.find((one) => keyOf(one) === asked.index || one.index === asked.index) ?? (asked.index ? undefined : usual);
  const wanted = asked.generation ?? index?.published;
  const generation = index?.generations.find((one) => one.id === wanted);
  return { index: index ?? null, generation: generation ?? null };
}
