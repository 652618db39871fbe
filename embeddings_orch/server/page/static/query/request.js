/** The request of a search for what the state asks. */

import { thumbnail } from "../base/api.js";
import { keyOf } from "../base/published.js";
import { condition } from "../base/where.js";

/** @import {Generation, Index, Model, SearchBody} from "../base/shapes.js" */
/** @import {PageState} from "../base/state.js" */
/** @import {How} from "../results/tile.js" */

/**
 * How scores came about.
 * @typedef {Index["metric"] | "words" | "relative" | "rank" | "look"} Kind
 * @typedef {{body: SearchBody, kind: Kind, note?: string}} Request `note`: what a person is to be told of it
 */

/**
 * The models that can read words or pictures; one that does not tell is asked.
 * @template {Pick<Model, "modalities">} M
 * @param {M[]} models
 * @param {"text" | "image"} modality
 */
export const reading = (models, modality) => models.filter((one) => !one.modalities || one.modalities.includes(modality));

/**
 * Whether anything is asked; else the page shows a look into the index.
 * @param {Pick<PageState, "text" | "like" | "picture">} state
 */
export const asks = (state) => Boolean(state.text.trim() || state.like || state.picture);

/**
 * The body for /v1/search, without limit and offset.
 * @param {PageState} state
 * @param {Index} index
 * @param {Generation} generation
 * @param {string | null} picture base64 of the query's picture
 * @returns {Request}
 */
export function request(state, index, generation, picture) {
  const text = state.text.trim();
  const models = generation.models;
  /** @type {SearchBody} */
  const body = { index: keyOf(index), ...condition(state.filters, index.columns) };
  // Else what is published when it is asked.
  if (state.generation || state.against) body.generation = generation.id;
  if (!asks(state)) return { body: { ...body, ...look(state.seed, models[0]) }, kind: "look" };

  const other = state.like !== null || picture !== null;
  if (state.like !== null) body.id = state.like;
  else if (picture !== null) body.image = { base64: picture };
  const words = index.full_text.length > 0;
  const readers = state.like !== null ? models : reading(models, picture !== null ? "image" : "text");
  if (text && !other) {
    if (!readers.length && words) return { body: { ...body, keyword: text }, kind: "words" };
    body.text = text;
    if (state.alpha !== null && words) Object.assign(body, { hybrid: true, alpha: state.alpha });
  } else if (text && words) {
    Object.assign(body, { keyword: text, alpha: state.alpha ?? 0.5 });
  }
  const named = readers.find((one) => one.column === state.column) ?? readers[0];
  if (state.column === "*" && readers.length > 1) body.columns = readers.map((one) => one.column);
  else if (named) body.column = named.column;
  const note = text && other && !words ? "The words are not used: this index has no full text." : undefined;
  return { body, kind: kindOf(body, index.metric), note };
}

/**
 * @param {SearchBody} body
 * @param {Index["metric"]} metric
 * @returns {Kind}
 */
function kindOf(body, metric) {
  if (body.alpha === 0) return "words";
  if (body.alpha !== undefined && body.alpha < 1) return "relative";
  return body.columns ? (body.alpha === 1 ? "relative" : "rank") : metric;
}

/**
 * What a score means, by the kind of a request; nothing where it is only a look.
 * @type {Readonly<Record<Kind, string | null>>}
 */
export const MEANING = {
  cosine: "Cosine similarity: 1 is the same direction, 0 unrelated",
  dot: "Inner product: higher is nearer",
  l2: "1 / (1 + squared distance): 1 is the same place",
  words: "BM25 of the words: higher is better",
  relative: "Relative score of words and vectors together, from 0 to 1",
  rank: "Reciprocal ranks of several embeddings together",
  look: null,
};

/**
 * How the hits of a request are shown.
 * @param {Index} index
 * @param {string} generation that was searched
 * @param {Kind} kind
 * @returns {How}
 */
export const how = (index, generation, kind) => ({
  meaning: MEANING[kind] ?? null,
  addressOf: (id) => (size) => thumbnail(keyOf(index), generation, id, size),
});

/**
 * A vector of any direction, the same for the same seed: its neighbours are a look into the index, in pages.
 * @param {number} seed
 * @param {Model} model
 */
function look(seed, model) {
  let bits = 0x9e3779b9 ^ (seed * 0x85ebca6b);
  const random = () => {
    bits = (bits + 0x6d2b79f5) | 0;
    let mixed = Math.imul(bits ^ (bits >>> 15), 1 | bits);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const vector = Array.from({ length: model.dimensions }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
  const norm = Math.hypot(...vector) || 1;
  return { vector: vector.map((one) => Number((one / norm).toFixed(5))), column: model.column };
}
