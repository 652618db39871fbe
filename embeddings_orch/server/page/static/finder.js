/** Searches for what the state asks, and shows what was found: in one grid, or two side by side. */

import { Compare } from "./compare.js";
import { button, byId } from "./dom.js";
import * as api from "./api.js";
import { count, seconds, some } from "./format.js";
import * as messages from "./messages.js";
import { keptPicture } from "./picture.js";
import { asks, MEANING, request } from "./request.js";
import { Results } from "./results.js";
import { Patience, Search } from "./search.js";

const PAGE = 48;
const FURTHEST = 100_000; // the server's largest offset
const SIDE = 24; // hits that are compared

export class Finder {
  #searches = [new Search(), new Search()];
  #asked = null; // what `more` goes on with

  /**
   * @param {Object} acts those of a grid (`acts.like(hit)`, ...), `set` to change the state, `found` with the hits
   *   when there are new ones, `moved` when another generation was published, `retry`
   */
  constructor(acts) {
    this.acts = acts;
    this.place = byId("results");
    this.notice = byId("notice");
    this.status = byId("status");
    this.results = new Results({ ...acts, more: () => this.more() });
    this.compare = new Compare({ ...acts, close: () => acts.set({ against: null }) });
    this.known = new Map();
    this.kind = null;
    this.patience = new Patience((stage) => this.#stage(stage));
  }

  /** Searches; the newest call wins. */
  async run(state, index, generation) {
    const both = index.generations.find((one) => one.id === state.against && one.id !== generation.id);
    this.#searches.forEach((one) => one.stop());
    this.#asked = null;
    this.#frame(both ? this.compare : this.results, both && [generation, both]);
    this.patience.begin();
    const own = (this.own = Symbol("search"));
    try {
      const picture = await keptPicture(state.picture);
      if (own !== this.own) return;
      if (state.picture !== null && !picture && !state.text.trim()) throw new api.ApiError("The picture is gone from this browser. Choose it again.", { status: 400 });
      const sides = both ? [generation, both] : [generation];
      const asked = sides.map((one) => request(state, index, one, picture?.base64 ?? null));
      const limit = both ? SIDE : PAGE;
      const answers = await Promise.all(asked.map(({ body }, place) => this.#searches[place].run({ ...body, limit })));
      if (own !== this.own || answers.includes(null)) return;
      this.patience.end();
      if (both) this.#compared(answers, asked, index);
      else this.#found(answers[0], asked[0], state, index, generation);
      this.#note(asked[0].note);
      if (!state.generation && answers[0].generation !== generation.id) this.acts.moved();
    } catch (error) {
      if (own !== this.own) return;
      this.patience.end();
      this.fail(error, state);
    }
  }

  /** The next page of what was found. */
  async more() {
    const asked = this.#asked;
    if (!asked || asked.loading || this.results.end.hidden) return;
    asked.loading = true;
    this.results.more.disabled = true;
    try {
      const offset = asked.hits.length;
      const limit = Math.min(PAGE, FURTHEST - offset);
      const answer = await api.search({ ...asked.body, limit, offset });
      if (asked !== this.#asked) return;
      asked.hits = [...asked.hits, ...answer.hits];
      this.#remember(answer.hits);
      this.results.append(answer.hits, asked.how, answer.hits.length === limit && offset + limit < FURTHEST);
      this.#count(asked, answer.hits.length === limit);
      this.acts.found(asked.hits);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.results.more.disabled = false;
      this.notice.replaceChildren(messages.notice(error.message, button(null, "Try again", () => this.#again()), true));
    } finally {
      asked.loading = false;
    }
  }

  /** Shows an error in place of results. */
  fail(error, state) {
    this.own = null;
    const acts = state?.generation ? [button(null, "Show what is published", () => this.acts.set({ generation: null, against: null }))] : [];
    this.say(messages.failure(error, this.acts.retry, acts));
    this.status.textContent = "";
    this.acts.found(null);
  }

  /** Shows a message in place of results. */
  say(message) {
    this.#asked = null;
    this.patience.end();
    this.#searches.forEach((one) => one.stop());
    this.notice.replaceChildren();
    this.place.replaceChildren(message);
  }

  /** What shows the results now. */
  get shown() {
    return this.place.contains(this.compare.columns) ? this.compare : this.results;
  }

  focus() {
    (this.shown === this.compare ? this.compare : this.results.grid).focus();
  }

  choose(id) {
    this.results.grid.choose(id);
    this.compare.choose(id);
  }

  #found(answer, { body, kind }, state, index, generation) {
    const { hits } = answer;
    this.kind = kind;
    this.#remember(hits);
    const full = hits.length === PAGE;
    this.#asked = {
      body: { ...body, generation: answer.generation },
      hits,
      how: this.#how(index, answer.generation, kind),
      seconds: answer.seconds,
      asks: asks(state),
      filtered: Object.keys(state.filters).length > 0,
      rows: generation.rows,
      loading: false,
    };
    if (hits.length) this.results.show(hits, this.#asked.how, full);
    else {
      this.place.replaceChildren(
        messages.noHits({ filtered: this.#asked.filtered, asked: this.#asked.asks, clearFilters: () => this.acts.set({ filters: {} }), clearAll: this.acts.clear }),
      );
    }
    this.#count(this.#asked, full);
    this.acts.found(hits);
  }

  #compared(answers, asked, index) {
    const lists = answers.map((one) => one.hits);
    lists.forEach((hits) => this.#remember(hits));
    this.kind = asked[0].kind;
    this.compare.show(lists, answers.map((one, place) => this.#how(index, one.generation, asked[place].kind)));
    this.status.textContent = `${some(lists[0].length, "hit")} beside ${lists[1].length} · ${seconds(Math.max(...answers.map((one) => one.seconds)))}`;
    this.acts.found(lists[0]);
  }

  #how(index, generation, kind) {
    const key = `${index.pipeline}/${index.index}`;
    return { meaning: MEANING[kind] ?? null, addressOf: (id) => (size) => api.thumbnail(key, generation, id, size) };
  }

  #frame(shown, generations) {
    if (!this.place.contains(shown.nodes[0])) {
      this.place.replaceChildren(...shown.nodes);
      shown.wait();
    }
    if (generations) shown.head(generations);
  }

  #stage(stage) {
    byId("progress").hidden = stage === "begun" || stage === "done";
    this.place.classList.toggle("stale", stage === "waiting" || stage === "long");
    this.acts.waiting(stage === "waiting" || stage === "long");
    if (stage === "long") this.status.textContent = "Loading the model… the first search with it takes a while.";
    if (stage !== "done") return;
    this.place.classList.remove("stale");
  }

  #count(asked, full) {
    const number = asked.hits.length;
    if (!asked.asks && !asked.filtered) this.status.textContent = `A look at ${some(asked.rows, "item")}`;
    else if (!number) this.status.textContent = "No hits";
    else this.status.textContent = `${full ? "First " : ""}${asked.asks ? some(number, "hit") : some(number, "item")} of ${count(asked.rows)} · ${seconds(asked.seconds)}`;
  }

  #note(text) {
    this.notice.replaceChildren(...(text ? [messages.notice(text)] : []));
  }

  #again() {
    this.notice.replaceChildren();
    this.more();
  }

  #remember(hits) {
    if (this.known.size > 5000) this.known.clear();
    for (const hit of hits) this.known.set(hit.id, hit);
  }
}
