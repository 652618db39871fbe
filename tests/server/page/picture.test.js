import assert from "node:assert/strict";
import { File } from "node:buffer";
import { describe, test } from "node:test";

import { keptPicture, pictureOf } from "#page/query/picture.js";

/** @param {string} name */
const file = (name) => /** @type {globalThis.File} */ (new File([], name, { type: name.endsWith(".png") ? "image/png" : "text/plain" }));

describe("of what is dropped or pasted is taken", () => {
  /** @type {[name: string, files: string[] | null, wanted: string | undefined][]} */
  const rows = [
    ["the picture", ["a.txt", "b.png", "c.png"], "b.png"],
    ["the first file where none is a picture, so that the page can say so", ["a.txt", "b.txt"], "a.txt"],
    ["nothing where there are no files", [], undefined],
    ["nothing where there is nothing", null, undefined],
  ];
  for (const [name, files, wanted] of rows) test(name, () => assert.equal(pictureOf(files && { files: files.map(file) })?.name, wanted));
});

test("no picture is kept under no name, nor under one that the browser lost", async () => {
  Object.assign(globalThis, { sessionStorage: { getItem: () => null } });
  assert.equal(await keptPicture(null), null);
  assert.equal(await keptPicture("lost"), null);
});
