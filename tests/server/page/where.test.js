import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { changed, condition, described, filterOf } from "#page/base/where.js";

/**
 * @import {Column, Params} from "#page/base/shapes.js"
 * @import {Filters} from "#page/base/where.js"
 */

/** @type {Column[]} */
const COLUMNS = [
  { name: "group", type: "string" },
  { name: "good", type: "boolean" },
  { name: "tags", type: "list" },
  { name: "size", type: "number" },
  { name: "made", type: "time" },
  { name: "constructor", type: "string" },
  { name: "two words", type: "string" },
  { name: 'say "x"', type: "string" },
  { name: "back`tick", type: "string" },
];

/** @type {[name: string, filters: Filters, where: string | undefined, params: Params | undefined][]} */
const CONDITIONS = [
  ["nothing chosen", {}, undefined, undefined],
  ["values", { group: { values: ["a", "b"] } }, '"group" IN :p0', { p0: ["a", "b"] }],
  ["values or none", { group: { values: ["a"], none: true } }, '("group" IN :p0 OR "group" IS NULL)', { p0: ["a"] }],
  ["none", { group: { none: true } }, '"group" IS NULL', {}],
  ["booleans", { good: { values: ["true", "false"] } }, '"good" IN :p0', { p0: [true, false] }],
  ["each value of a list", { tags: { values: ["a", "b"] } }, '(array_has("tags", :p0) OR array_has("tags", :p1))', { p0: "a", p1: "b" }],
  ["a range of whole numbers", { size: { min: "2", max: "9" } }, '"size" >= :p0 AND "size" <= :p1', { p0: 2, p1: 9 }],
  ["a fraction", { size: { min: "2.5" } }, '"size" >= :p0', { p0: 2.5 }],
  ["a number that would be rounded here", { size: { min: "18446744073709551615" } }, '"size" >= :p0', { p0: "18446744073709551615" }],
  ["an end that is no number", { size: { min: "many", max: "9" } }, '"size" <= :p0', { p0: 9 }],
  ["a day with all its hours", { made: { max: "2026-11-30" } }, '"made" < :p0', { p0: "2026-12-01" }],
  ["the first day", { made: { min: "2026-11-21" } }, '"made" >= :p0', { p0: "2026-11-21" }],
  ["the last day of all", { made: { max: "9999-12-31" } }, '"made" <= :p0', { p0: "9999-12-31" }],
  ["a day that is not there", { made: { max: "2026-13-40" } }, undefined, undefined],
  ["a time of a day", { made: { min: "12:30", max: "18:00:01" } }, '"made" >= :p0 AND "made" <= :p1', { p0: "12:30", p1: "18:00:01" }],
  ["an end that is no day", { made: { min: "1; drop table x" } }, undefined, undefined],
  ["words", { group: { has: "50%_\\" } }, '"group" ILIKE :p0', { p0: "%50\\%\\_\\\\%" }],
  ["several columns", { size: { min: "1" }, group: { has: "a" } }, '"group" ILIKE :p0 AND "size" >= :p1', { p0: "%a%", p1: 1 }],
  ["a name of two words", { "two words": { none: true } }, '"two words" IS NULL', {}],
  ["a name with quotes", { 'say "x"': { none: true } }, '"say ""x""" IS NULL', {}],
  ["a name that cannot be quoted", { "back`tick": { none: true } }, undefined, undefined],
  ["a column that there is not", { other: { none: true } }, undefined, undefined],
  ["a column called constructor", { constructor: { has: "a" } }, '"constructor" ILIKE :p0', { p0: "%a%" }],
];

describe("the condition for", () => {
  for (const [name, filters, where, params] of CONDITIONS) {
    test(name, () => assert.deepEqual(condition(filters, COLUMNS), where === undefined ? {} : { where, params }));
  }
});

test("what every object has is no filter", () => {
  assert.equal(filterOf({}, "constructor"), undefined);
  assert.equal(filterOf({}, "__proto__"), undefined);
  assert.deepEqual(filterOf({ constructor: { none: true } }, "constructor"), { none: true });
});

describe("a changed filter", () => {
  /** @type {[name: string, filters: Filters, patch: Filters[string], wanted: Filters][]} */
  const rows = [
    ["begins", {}, { values: ["a"] }, { group: { values: ["a"] } }],
    ["keeps what is not named", { group: { none: true }, size: { min: "1" } }, { values: ["a"] }, { group: { none: true, values: ["a"] }, size: { min: "1" } }],
    ["loses what is empty", { group: { none: true, has: "x" } }, { has: "" }, { group: { none: true } }],
    ["ends with its last part", { group: { values: ["a"] }, size: { min: "1" } }, { values: [] }, { size: { min: "1" } }],
  ];
  for (const [name, filters, patch, wanted] of rows) test(name, () => assert.deepEqual(changed(filters, "group", patch), wanted));

  test("leaves the filters as they were", () => {
    const filters = { group: { values: ["a"] } };
    changed(filters, "group", { values: [] });
    assert.deepEqual(filters, { group: { values: ["a"] } });
  });

  test("may be of a column called __proto__", () => {
    const filters = changed({}, "__proto__", { has: "a" });
    assert.deepEqual(Object.entries(filters), [["__proto__", { has: "a" }]]);
    assert.equal(Object.keys(changed(filters, "__proto__", { has: "" })).length, 0);
  });
});

describe("filters in words", () => {
  /** @type {[filters: Filters, labels: string[]][]} */
  const rows = [
    [{}, []],
    [{ group: { values: ["a", "b"], none: true } }, ["group: a", "group: b", "group: none"]],
    [{ size: { min: "1", max: "2" } }, ["size: 1 – 2"]],
    [{ size: { min: "1" }, made: { max: "2026-11-21" } }, ["size from 1", "made up to 2026-11-21"]],
    [{ group: { has: "apple" } }, ["group has “apple”"]],
  ];
  for (const [filters, labels] of rows) test(labels.join(", ") || "none", () => assert.deepEqual(described(filters).map((one) => one.label), labels));

  test("tell what remains without each", () => {
    const filters = { group: { values: ["a", "b"], none: true }, size: { min: "1", max: "2" } };
    assert.deepEqual(
      described(filters).map((one) => one.without),
      [
        { group: { values: ["b"], none: true }, size: { min: "1", max: "2" } },
        { group: { values: ["a"], none: true }, size: { min: "1", max: "2" } },
        { group: { values: ["a", "b"] }, size: { min: "1", max: "2" } },
        { group: { values: ["a", "b"], none: true } },
      ],
    );
  });
});
