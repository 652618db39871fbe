import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { listed, useful } from "#page/query/facets.js";
import { facet } from "./fixtures.js";

/**
 * @import {Facet} from "#page/base/shapes.js"
 * @import {Filters} from "#page/base/where.js"
 */

/** @param {...number} counts of "a", "b", ... */
const values = (...counts) => counts.map((count, place) => ({ value: String.fromCharCode(97 + place), count }));

describe("values are listed where", () => {
  /** @type {[name: string, facet: Partial<Facet>, wanted: boolean][]} */
  const rows = [
    ["they are shared", { values: values(2, 1, 1, 1) }, true],
    ["they are at most three", { values: values(1, 1, 1) }, true],
    ["each item has its own: no", { values: values(1, 1, 1, 1) }, false],
    ["there are too many to tell: no", { values: null }, false],
    ["they are true and false", { type: "boolean", values: [{ value: true, count: 1 }] }, true],
  ];
  for (const [name, own, wanted] of rows) test(name, () => assert.equal(listed(facet(own)), wanted));
});

describe("a filter is shown for", () => {
  /** @type {[name: string, facet: Partial<Facet>, chosen: Filters, wanted: boolean][]} */
  const rows = [
    ["a column of two values", { values: values(2, 1) }, {}, true],
    ["a column of one value: no", { values: values(9) }, {}, false],
    ["a column of one value, and of items without", { values: values(9), nulls: 1 }, {}, true],
    ["a column of many texts", { values: null }, {}, true],
    ["a column of different numbers", { type: "number", min: 1, max: 2 }, {}, true],
    ["a column of one number: no", { type: "number", min: 2, max: 2 }, {}, false],
    ["a column of no number: no", { type: "number" }, {}, false],
    ["a column of times", { type: "time", min: "2026-01-01", max: "2026-01-02" }, {}, true],
    ["a column of lists: no", { type: "list" }, {}, false],
    ["a column of other things: no", { type: "other", values: values(2, 1) }, {}, false],
    ["the id: no", { name: "id" }, {}, false],
    ["a name that no filter can have: no", { name: "back`tick", values: values(2, 1) }, {}, false],
    ["a column that tells nothing, but is chosen by", { values: values(9) }, { group: { has: "a" } }, true],
    ["a column called like what every object has: no", { name: "constructor", values: values(9) }, {}, false],
  ];
  for (const [name, own, chosen, wanted] of rows) test(name, () => assert.equal(useful([facet(own)], chosen).length === 1, wanted));
});

test("filters to press come first, technical ones last, else as the columns are", () => {
  const facets = [
    facet({ name: "width", type: "number", min: 1, max: 2 }),
    facet({ name: "weight", type: "number", min: 1, max: 2 }),
    facet({ name: "caption" }),
    facet({ name: "modality", values: values(2, 1) }),
    facet({ name: "shelf", values: values(2, 1) }),
    facet({ name: "group", values: values(2, 1) }),
  ];
  assert.deepEqual(useful(facets, {}).map((one) => one.name), ["shelf", "group", "caption", "weight", "width", "modality"]);
  assert.equal(facets[0]?.name, "width", "they are not sorted in place");
});
