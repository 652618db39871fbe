/** Which columns are worth a filter, and of what kind. */

import { filterOf, quoted } from "../base/where.js";

/** @import {Facet, FacetValue} from "../base/shapes.js" */
/** @import {Filters} from "../base/where.js" */

const TECHNICAL = ["modality", "mime", "size", "width", "height"];
const NEVER = ["id", "uri", "content_hash"];

/**
 * Whether its values are worth a list: not where each item has one of its own.
 * @param {Facet} facet
 * @returns {facet is Facet & {values: FacetValue[]}}
 */
export function listed(facet) {
  const { values, type } = facet;
  return values !== null && (type !== "string" || values.length <= 3 || values.some((one) => one.count > 1));
}

/**
 * Whether a filter by it could tell items apart.
 * @param {Facet} facet
 */
function telling(facet) {
  if (NEVER.includes(facet.name) || facet.type === "other" || !quoted(facet.name)) return false;
  if (listed(facet)) return facet.values.length + (facet.nulls ? 1 : 0) > 1;
  if (facet.type === "number" || facet.type === "time") return facet.min !== null && facet.min !== facet.max;
  return facet.type === "string";
}

/**
 * The facets that are shown, in order: those that could tell items apart, and those that something is chosen of.
 * @param {Facet[]} facets
 * @param {Filters} chosen
 */
export function useful(facets, chosen) {
  const rank = (/** @type {Facet} */ facet) => (TECHNICAL.includes(facet.name) ? 3 : listed(facet) ? 0 : facet.type === "string" ? 1 : 2);
  return facets.filter((one) => telling(one) || filterOf(chosen, one.name)).sort((one, other) => rank(one) - rank(other));
}
