import assert from "node:assert/strict";
import { test } from "node:test";

import { Known } from "#page/base/known.js";
import { hit, hits } from "./fixtures.js";

test("items are known by their ids, as they were told last", () => {
  const known = new Known();
  known.remember(hits("ab"));
  known.remember([hit({ id: "b", metadata: { caption: "another" } })]);
  assert.deepEqual([...known.keys()], ["a", "b"]);
  assert.equal(known.get("b")?.metadata.caption, "another");
});

test("those before are forgotten once they are many", () => {
  const known = new Known();
  known.remember(Array.from({ length: 5001 }, (_, place) => hit({ id: String(place) })));
  assert.equal(known.size, 5001);
  known.remember(hits("a"));
  assert.deepEqual([...known.keys()], ["a"]);
});
