import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { keyOf, meant } from "#page/base/published.js";
import { generation, index } from "./fixtures.js";

const unpublished = index({ pipeline: "a", index: "new", published: null, generations: [generation({ id: "n1", published: false })] });
const emoji = index();
const shelf = index({ pipeline: "b", index: "shelf", published: "s1", generations: [generation({ id: "s1" })] });
const all = [unpublished, emoji, shelf];

test("an index is named by its pipeline and its own name", () => assert.equal(keyOf(emoji), "emoji/found"));

describe("what is meant by", () => {
  /** @type {[name: string, indexes: typeof all, index: string | null, generation: string | null, wanted: (string | null)[]][]} */
  const rows = [
    ["nothing: the first that is published", all, null, null, ["emoji/found", "g2"]],
    ["an index", all, "b/shelf", null, ["b/shelf", "s1"]],
    ["an index without its pipeline", all, "shelf", null, ["b/shelf", "s1"]],
    ["an index that there is not", all, "b/other", null, [null, null]],
    ["a generation", all, "emoji/found", "g1", ["emoji/found", "g1"]],
    ["a generation that is gone", all, "emoji/found", "g0", ["emoji/found", null]],
    ["an index that is not published", all, "a/new", null, ["a/new", null]],
    ["a generation that is not published", all, "a/new", "n1", ["a/new", "n1"]],
    ["nothing, where nothing is published: the first", [unpublished], null, null, ["a/new", null]],
    ["nothing, where there is none", [], null, null, [null, null]],
  ];
  for (const [name, indexes, wantedIndex, wantedGeneration, wanted] of rows) {
    test(name, () => {
      const found = meant(indexes, { index: wantedIndex, generation: wantedGeneration });
      assert.deepEqual([found.index && keyOf(found.index), found.generation?.id ?? null], wanted);
    });
  }
});
