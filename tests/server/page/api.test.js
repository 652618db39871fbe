import assert from "node:assert/strict";
import { afterEach, describe, mock, test } from "node:test";

import * as api from "#page/base/api.js";

/** @type {{url: string, options: RequestInit}[]} */
const asked = [];

/** @param {...(() => Response)} answers one for each request; the last one again and again */
function answering(...answers) {
  asked.length = 0;
  mock.method(globalThis, "fetch", async (/** @type {string} */ url, /** @type {RequestInit} */ options = {}) => {
    asked.push({ url, options });
    return (answers.length > 1 ? answers.shift() : answers[0])?.();
  });
}

/**
 * @param {unknown} body
 * @param {ResponseInit} [how]
 */
const json = (body, how) => () => Response.json(body, how);

/**
 * @param {string} message
 * @param {Partial<api.ApiError>} [own]
 */
const saying = (message, own = {}) => (/** @type {unknown} */ error) => {
  assert.ok(error instanceof api.ApiError);
  assert.deepEqual({ message: error.message, status: error.status, retryAfter: error.retryAfter }, { message, status: 0, retryAfter: null, ...own });
  return true;
};

afterEach(() => {
  mock.restoreAll();
  api.onKeyNeeded(async () => false);
});

describe("the address of", () => {
  /** @type {[name: string, ask: () => unknown, url: string][]} */
  const rows = [
    ["the indexes", () => api.indexes(), "/v1/indexes"],
    ["facets of what is published", () => api.facets("emoji/found", null), "/v1/indexes/emoji/found/facets"],
    ["facets of a generation", () => api.facets("emoji/found", "g 1"), "/v1/indexes/emoji/found/facets?generation=g+1"],
    ["an item", () => api.item("emoji/found", null, "a b/c?d#é.png"), "/v1/indexes/emoji/found/items?id=a+b%2Fc%3Fd%23%C3%A9.png"],
    ["an item with dots and a line break", () => api.item("emoji/found", "g-1", "../a\nb"), "/v1/indexes/emoji/found/items?id=..%2Fa%0Ab&generation=g-1"],
    ["a map", () => api.map("emoji/found", "g1", "clip"), "/v1/indexes/emoji/found/map?column=clip&generation=g1"],
    ["values", () => api.values("emoji/found", "g1", "two words"), "/v1/indexes/emoji/found/values?column=two+words&generation=g1"],
  ];
  for (const [name, ask, url] of rows) {
    test(name, async () => {
      answering(json({ told: name }));
      assert.deepEqual(await ask(), { told: name });
      assert.deepEqual(asked.map((one) => one.url), [url]);
    });
  }

  test("a thumbnail", () => assert.equal(api.thumbnail("emoji/found", null, "a/b.png", 192), "/v1/indexes/emoji/found/thumbnails?id=a%2Fb.png&size=192"));
});

test("a search is sent as JSON, and can be given up", async () => {
  answering(json({ hits: [] }));
  const { signal } = new AbortController();
  await api.search({ index: "emoji/found", text: "dog" }, signal);
  const { url, options } = asked[0] ?? assert.fail();
  assert.equal(url, "/v1/search");
  assert.deepEqual({ ...options }, { credentials: "same-origin", method: "POST", headers: { "content-type": "application/json" }, body: '{"index":"emoji/found","text":"dog"}', signal });
});

describe("an error", () => {
  test("says what the server says, and when to try again", async () => {
    answering(json({ error: { message: "too much at once" } }, { status: 503, headers: { "retry-after": "3" } }));
    await assert.rejects(api.indexes(), saying("too much at once", { status: 503, retryAfter: 3 }));
  });

  test("says what is known where the server says nothing", async () => {
    answering(() => new Response("<html>", { status: 502, statusText: "Bad Gateway" }));
    await assert.rejects(api.indexes(), saying("The server answered 502 Bad Gateway", { status: 502 }));
  });

  test("says that nobody answers", async () => {
    answering(() => {
      throw new TypeError("fetch failed");
    });
    await assert.rejects(api.indexes(), saying("The server does not answer. Is it still running?"));
  });

  test("of a request that was given up stays what it is", async () => {
    answering(() => {
      throw new DOMException("given up", "AbortError");
    });
    await assert.rejects(api.indexes(), (error) => api.aborted(error));
  });
});

describe("where a key is needed", () => {
  const needed = json({ error: { message: "a key is needed" } }, { status: 401 });

  test("it is asked for, and the request is made again", async () => {
    api.onKeyNeeded(async () => true);
    answering(needed, json({ indexes: [] }));
    assert.deepEqual(await api.indexes(), { indexes: [] });
    assert.equal(asked.length, 2);
  });

  test("the request fails where there is none", async () => {
    answering(needed);
    await assert.rejects(api.indexes(), saying("a key is needed", { status: 401 }));
    assert.equal(asked.length, 1);
  });

  test("it is asked for once", async () => {
    api.onKeyNeeded(async () => true);
    answering(needed);
    await assert.rejects(api.indexes(), saying("a key is needed", { status: 401 }));
    assert.equal(asked.length, 2);
  });
});

describe("a session", () => {
  test("is begun with a key", async () => {
    answering(json({ ok: true }));
    assert.equal(await api.session("secret"), true);
    assert.deepEqual(asked.map(({ url, options }) => [url, options.body]), [["/v1/session", '{"key":"secret"}']]);
  });

  for (const status of [401, 403]) {
    test(`is refused with ${status}`, async () => {
      answering(json({}, { status }));
      assert.equal(await api.session("wrong"), false);
    });
  }

  test("fails where the server does", async () => {
    answering(json({ error: { message: "too many tries" } }, { status: 429, headers: { "retry-after": "9" } }));
    await assert.rejects(api.session("secret"), saying("too many tries", { status: 429, retryAfter: 9 }));
    answering(() => {
      throw new TypeError("fetch failed");
    });
    await assert.rejects(api.session("secret"), saying("The server does not answer."));
  });
});

test("what is thrown becomes an error", () => {
  const error = new Error("one");
  assert.equal(api.asError(error), error);
  assert.equal(api.asError("two").message, "two");
});
