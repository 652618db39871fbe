/** What the server tells and what the state says, of which a test names only what it is about. */

/**
 * @import {Facet, Generation, Hit, Index, Model} from "#page/base/shapes.js"
 * @import {PageState} from "#page/base/state.js"
 */

/**
 * @param {Partial<Hit>} [own]
 * @returns {Hit}
 */
export const hit = (own = {}) => ({ id: "shelf/p1.png", uri: "/media/shelf/p1.png", metadata: {}, ...own });

/** @param {string} ids one letter each */
export const hits = (ids) => [...ids].map((id) => hit({ id }));

/**
 * @param {Partial<Model>} [own]
 * @returns {Model}
 */
export const model = (own = {}) => ({ column: "clip", provider: "open-clip", name: "ViT", input: "media", dimensions: 4, modalities: ["text", "image"], items_without_vector: 0, items_with_nothing_to_embed: 0, ...own });

/**
 * @param {Partial<Generation>} [own]
 * @returns {Generation}
 */
export const generation = (own = {}) => ({
  id: "g2",
  created_at: "2026-11-21T14:40:00",
  rows: 1914,
  passed: true,
  published: true,
  models: [model()],
  maps: ["clip"],
  ...own,
});

/**
 * @param {Partial<Index>} [own]
 * @returns {Index}
 */
export const index = (own = {}) => ({
  pipeline: "emoji",
  index: "found",
  published: "g2",
  held: false,
  metric: "cosine",
  full_text: [],
  columns: [],
  generations: [generation(), generation({ id: "g1", published: false })],
  left_out: 0,
  passed_over: 0,
  error: null,
  ...own,
});

/**
 * @param {Partial<Facet>} [own]
 * @returns {Facet}
 */
export const facet = (own = {}) => ({ name: "group", type: "string", values: null, min: null, max: null, nulls: 0, ...own });

/**
 * @param {Partial<PageState>} [own]
 * @returns {PageState}
 */
export const state = (own = {}) => ({
  index: null,
  generation: null,
  text: "",
  like: null,
  picture: null,
  column: null,
  alpha: null,
  filters: {},
  seed: 0,
  view: "grid",
  against: null,
  item: null,
  ...own,
});
