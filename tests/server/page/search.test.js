import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { Patience, Search } from "#page/results/search.js";

/** @import {Stage} from "#page/results/search.js" */

const BODY = { index: "emoji/found", text: "dog" };

/** @type {{answer: (told: unknown) => void, fail: (error: unknown) => void, signal: AbortSignal | null | undefined}[]} */
const requests = [];

beforeEach(() => {
  requests.length = 0;
  mock.method(
    globalThis,
    "fetch",
    (/** @type {string} */ _, /** @type {RequestInit} */ { signal }) =>
      new Promise((done, fail) => {
        requests.push({ answer: (told) => done(Response.json(told)), fail, signal });
        signal?.addEventListener("abort", () => fail(signal.reason));
      }),
  );
});
afterEach(() => mock.restoreAll());

/** @param {number} place */
const request = (place) => requests[place] ?? assert.fail(`there is no request ${place}`);

describe("a search", () => {
  test("gives the answer", async () => {
    const found = new Search().run(BODY);
    request(0).answer({ hits: [1] });
    assert.deepEqual(await found, { hits: [1] });
  });

  test("that is older is given up, and answered with nothing", async () => {
    const search = new Search();
    const [older, newer] = [search.run(BODY), search.run(BODY)];
    assert.equal(request(0).signal?.aborted, true);
    request(1).answer({ hits: [2] });
    assert.equal(await older, null);
    assert.deepEqual(await newer, { hits: [2] });
  });

  test("that is older does not fail any more", async () => {
    const search = new Search();
    const older = search.run(BODY);
    request(0).fail(new TypeError("fetch failed"));
    search.run(BODY);
    assert.equal(await older, null);
  });

  test("that is stopped is answered with nothing", async () => {
    const search = new Search();
    const found = search.run(BODY);
    search.stop();
    assert.equal(await found, null);
    assert.equal(request(0).signal?.aborted, true);
  });

  test("fails where the server does", async () => {
    const found = new Search().run(BODY);
    request(0).fail(new TypeError("fetch failed"));
    await assert.rejects(found, { name: "ApiError", status: 0 });
  });
});

describe("patience", () => {
  /** @type {Stage[]} */
  let told = [];
  beforeEach(() => {
    told = [];
    mock.timers.enable({ apis: ["setTimeout"] });
  });
  afterEach(() => mock.timers.reset());

  const begun = () => {
    const patience = new Patience((stage) => told.push(stage));
    patience.begin();
    return patience;
  };

  test("tells at once, after a while, and after long", () => {
    begun();
    for (const after of [299, 1, 1699, 1, 9999]) {
      told.push(/** @type {Stage} */ (`+${after}`));
      mock.timers.tick(after);
    }
    assert.deepEqual(told, ["begun", "+299", "+1", "waiting", "+1699", "+1", "long", "+9999"]);
  });

  test("ends with what it waited for", () => {
    const patience = begun();
    mock.timers.tick(400);
    patience.end();
    mock.timers.tick(9999);
    assert.deepEqual(told, ["begun", "waiting", "done"]);
  });

  test("begins anew", () => {
    const patience = begun();
    mock.timers.tick(200);
    patience.begin();
    mock.timers.tick(200);
    assert.deepEqual(told, ["begun", "begun"]);
    mock.timers.tick(100);
    assert.deepEqual(told, ["begun", "begun", "waiting"]);
  });
});
