/** The shapes of what the server is asked and answers. They are for the type checker: nothing loads this file. */

/**
 * What the server tells of an item: by the id alone where only an address names it.
 * @typedef {{id: string, uri?: string | null, metadata?: Metadata}} Item
 * @typedef {{[column: string]: unknown}} Metadata
 * @typedef {{id: string, uri: string | null, metadata: Metadata, score?: number | null}} Hit `score` where it was searched
 *
 * @typedef {"string" | "number" | "boolean" | "time" | "list" | "other"} ColumnType
 * @typedef {{name: string, type: ColumnType}} Column
 * @typedef {{value: string | boolean, count: number}} FacetValue
 * @typedef {object} Facet what a column holds
 * @property {string} name
 * @property {ColumnType} type
 * @property {FacetValue[] | null} values the most frequent first; null where they are too many
 * @property {number | string | null} min of numbers and times
 * @property {number | string | null} max
 * @property {number} nulls items without a value
 *
 * @typedef {object} Model
 * @property {string} column the vectors it made
 * @property {string} provider
 * @property {string} name
 * @property {string} input
 * @property {number} dimensions
 * @property {string[] | null} modalities what it reads; null where it does not tell
 * @property {number | null} items_without_vector that have something to embed; null where the generation does not tell
 * @property {number | null} items_with_nothing_to_embed
 *
 * @typedef {object} Generation
 * @property {string} id
 * @property {string} created_at ISO 8601
 * @property {number} rows
 * @property {boolean} passed whether its checks did
 * @property {boolean} published
 * @property {[Model, ...Model[]]} models
 * @property {string[]} maps the columns that it has a map of
 *
 * @typedef {object} Index
 * @property {string} pipeline
 * @property {string} index
 * @property {string | null} published a generation's id
 * @property {boolean} held
 * @property {"cosine" | "dot" | "l2"} metric
 * @property {string[]} full_text columns
 * @property {Column[]} columns of what is published
 * @property {Generation[]} generations the newest first
 * @property {number} left_out rows and files that the last scan left out
 * @property {number} passed_over files that it passed over
 * @property {string | null} error
 *
 * @typedef {object} SearchBody
 * @property {string} index
 * @property {string} [generation]
 * @property {string} [text]
 * @property {string} [id]
 * @property {{base64: string}} [image]
 * @property {number[]} [vector]
 * @property {string} [keyword]
 * @property {boolean} [hybrid]
 * @property {number} [alpha]
 * @property {string} [column]
 * @property {string[]} [columns]
 * @property {string} [where]
 * @property {Params} [params]
 * @property {number} [limit]
 * @property {number} [offset]
 *
 * @typedef {{[name: string]: string | number | string[] | boolean[]}} Params
 * @typedef {{generation: string, hits: Hit[], seconds: number}} SearchAnswer
 *
 * @typedef {{embedding: string, not_embedded: number, nothing_to_embed: number}} ItemCounts
 * @typedef {{kind: string, count: number, examples: string[], advice: string}} PassedOver
 * @typedef {object} LeftOutAnswer
 * @property {{left_out: number, left_out_named: {item: string, reason: string}[], passed_over_kinds: PassedOver[]}} media
 * @property {ItemCounts[]} embeddings
 * @property {number} failures
 * @property {{embedding: string, id: string, reason: string}[]} failed
 *
 * @typedef {object} MapAnswer
 * @property {string} generation
 * @property {string} column
 * @property {string} method
 * @property {number} rows
 * @property {string[]} ids
 * @property {number[]} x from 0 to 65535
 * @property {number[]} y upwards
 * @property {[number, number] | null} explained each axis' share of the variance
 *
 * @typedef {{values: (string | boolean)[], ids: string[], codes: number[]}} ValuesAnswer `codes`: places in `values`, the one
 * after the last for any other value, -1 for none
 */

export {};
