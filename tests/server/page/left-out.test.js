import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { leftOutLine, leftOutRows } from "#page/results/left-out.js";
import { generation, index, model } from "./fixtures.js";

describe("what is missing is told in one line", () => {
  const lacking = (/** @type {number | null} */ lack, column = "clip") => model({ column, items_without_vector: lack });
  /** @type {[wanted: string, left: [number, number], models: Parameters<typeof leftOutLine>[1]["models"]][]} */
  const rows = [
    ["", [0, 0], [lacking(0)]],
    ["", [0, 0], [lacking(null)]],
    ["5 items without a vector", [0, 0], [lacking(5)]],
    ["1 item without a vector · 2 left out · 1,400 files passed over", [2, 1400], [lacking(1)]],
    ["5 items without a vector of clip · 2 items without a vector of words", [0, 0], [lacking(5), lacking(2, "words")]],
    ["2 items without a vector of words", [0, 0], [lacking(0), lacking(2, "words")]],
  ];
  for (const [wanted, [left_out, passed_over], models] of rows) {
    test(wanted || "nothing", () => assert.equal(leftOutLine(index({ left_out, passed_over }), generation({ models })), wanted));
  }
});

test("the list names items with their reasons, and says how many more there are", () => {
  const answer = {
    media: {
      left_out: 2,
      left_out_named: [{ item: "metadata.csv, row 3", reason: "there is no file gone.png" }],
      passed_over_kinds: [{ kind: ".heic", count: 4, examples: ["a.heic"], advice: "convert them" }],
    },
    embeddings: [
      { embedding: "clip", not_embedded: 1, nothing_to_embed: 0 },
      { embedding: "words", not_embedded: 0, nothing_to_embed: 3 },
    ],
    failures: 3,
    failed: [{ embedding: "clip", id: "a.png", reason: "corrupt" }],
  };
  assert.deepEqual(
    leftOutRows(answer).map(({ name, reason }) => `${name} | ${reason}`),
    [
      "a.png | clip: corrupt",
      "and 2 items more | embeddings-orch failures lists them",
      "1 item | clip: not embedded yet",
      "3 items | words: nothing to embed, which is no failure",
      "metadata.csv, row 3 | there is no file gone.png",
      "and 1 more | left out",
      "4 files passed over: .heic | a.heic, …: convert them",
    ],
  );
});
