/** Searches for what the state asks, and shows what was found: in one grid, or two side by side. */

import * as api from "../base/api.js";
import { Compare } from "./compare.js";
import { button, byId } from "../base/dom.js";
import { Known } from "../base/known.js";
import * as messages from "../base/messages.js";
import { keptPicture } from "../query/picture.js";
import { asks, how, request } from "../query/request.js";
import { Results } from "./results.js";
import { Patience, Search } from "./search.js";
import { besideLine, foundLine } from "./status-line.js";

/** @import {GridActs} from "./grid.js" */
/** @import {Kind, Request} from "../query/request.js" */
/** @import {Stage} from "./search.js" */
/** @import {Generation, Hit, Index, SearchAnswer, SearchBody} from "../base/shapes.js" */
/** @import {PageState, SetState} from "../base/state.js" */
/** @import {How} from "./tile.js" */

/**
 * @typedef {object} OwnActs
 * @property {SetState} set
 * @property {() => void} clear
 * @property {() => void} retry
 * @property {(hits: Hit[] | null) => void} found there are new ones; null where none are shown
 * @property {(waiting: boolean) => void} waiting
 * @property {() => void} published another generation was published
 *
 * @typedef {object} Asked what `more` goes on with
 * @property {SearchBody} body
 * @property {Hit[]} hits
 * @property {How} how
 * @property {number} seconds
 * @property {boolean} asks
 * @property {boolean} filtered
 * @property {number} rows
 * @property {boolean} full whether there may be more
 * @property {boolean} loading
 */

const PAGE = 48;
const FURTHEST = 100_000; // the server's largest offset
const SIDE = 24; // hits that are compared

export class Finder {
  #search = new Search();
  #beside = new Search();
  /** @type {Asked | null} */
  #asked = null;
  /** @type {symbol | null} */
  #own = null;
  known = new Known();
  /** @type {Kind | null} */
  kind = null;

  /** @param {GridActs & OwnActs} acts */
  constructor(acts) {
    this.acts = acts;
    this.place = byId("results");
    this.notice = byId("notice");
    this.status = byId("status");
    this.results = new Results({ ...acts, more: () => this.more() });
    this.compare = new Compare({ ...acts, close: () => acts.set({ against: null }) });
    this.patience = new Patience((stage) => this.#stage(stage));
  }

  /**
   * Searches; the newest call wins.
   * @param {PageState} state
   * @param {Index} index
   * @param {Generation} generation
   */
  async run(state, index, generation) {
    const beside = index.generations.find((one) => one.id === state.against && one.id !== generation.id);
    this.#stop();
    this.#frame(generation, beside);
    this.patience.begin();
    const own = (this.#own = Symbol("search"));
    try {
      const picture = await keptPicture(state.picture);
      if (own !== this.#own) return;
      if (state.picture !== null && !picture && !state.text.trim()) throw new api.ApiError("The picture is gone from this browser. Choose it again.", { status: 400 });
      const asking = (/** @type {Generation} */ one) => request(state, index, one, picture?.base64 ?? null);
      const asked = asking(generation);
      const other = beside && asking(beside);
      const limit = other ? SIDE : PAGE;
      const [answer, otherAnswer] = await Promise.all([this.#search.run({ ...asked.body, limit }), other && this.#beside.run({ ...other.body, limit })]);
      if (own !== this.#own || answer === null || otherAnswer === null) return;
      this.patience.end();
      if (other && otherAnswer) this.#compared(index, [answer, asked], [otherAnswer, other]);
      else this.#found(answer, asked, state, index, generation);
      this.#note(asked.note);
      if (!state.generation && answer.generation !== generation.id) this.acts.published();
    } catch (error) {
      if (own !== this.#own) return;
      this.patience.end();
      this.fail(api.asError(error), state);
    }
  }

  /** Shows the next page of what was found. */
  async more() {
    const asked = this.#asked;
    if (!asked || asked.loading || this.results.end.hidden) return;
    asked.loading = true;
    this.results.more.disabled = true;
    try {
      const offset = asked.hits.length;
      const limit = Math.min(PAGE, FURTHEST - offset);
      const { hits } = await api.search({ ...asked.body, limit, offset });
      if (asked !== this.#asked) return;
      asked.hits = [...asked.hits, ...hits];
      this.known.remember(hits);
      this.results.append(hits, asked.how, hits.length === limit && offset + limit < FURTHEST);
      asked.full = hits.length === limit;
      this.status.textContent = foundLine(asked, asked.full);
      this.acts.found(asked.hits);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.results.more.disabled = false;
      const again = button(null, "Try again", () => this.#again());
      this.notice.replaceChildren(messages.notice(api.asError(error).message, again, true));
    } finally {
      asked.loading = false;
    }
  }

  /**
   * Shows an error in place of results.
   * @param {Error} error
   * @param {PageState} [state] that was asked
   */
  fail(error, state) {
    this.#own = null;
    const acts = state?.generation ? [button(null, "Show what is published", () => this.acts.set({ generation: null, against: null }))] : [];
    this.say(messages.failure(error, this.acts.retry, acts));
    this.status.textContent = "";
    this.acts.found(null);
  }

  /**
   * Shows a message in place of results.
   * @param {HTMLElement} message
   */
  say(message) {
    this.patience.end();
    this.#stop();
    this.notice.replaceChildren();
    this.place.replaceChildren(message);
  }

  /**
   * Tells of how many items the hits are, where these came before their generation was known.
   * @param {Generation} generation
   */
  count(generation) {
    const asked = this.#asked;
    if (asked?.body.generation !== generation.id) return;
    asked.rows = generation.rows;
    this.status.textContent = foundLine(asked, asked.full);
  }

  /** Puts the keyboard on the results. */
  focus() {
    (this.place.contains(this.compare.columns) ? this.compare : this.results.grid).focus();
  }

  /**
   * Marks the item that is shown in detail.
   * @param {string | null} id
   */
  choose(id) {
    this.results.grid.choose(id);
    this.compare.choose(id);
  }

  #stop() {
    this.#asked = null;
    this.#search.stop();
    this.#beside.stop();
  }

  /**
   * @param {SearchAnswer} answer
   * @param {Request} request
   * @param {PageState} state
   * @param {Index} index
   * @param {Generation} generation
   */
  #found(answer, { body, kind }, state, index, generation) {
    const { hits } = answer;
    this.kind = kind;
    this.known.remember(hits);
    const full = hits.length === PAGE;
    const asked = (this.#asked = {
      body: { ...body, generation: answer.generation },
      hits,
      how: how(index, answer.generation, kind),
      seconds: answer.seconds,
      asks: asks(state),
      filtered: Object.keys(state.filters).length > 0,
      rows: generation.rows,
      full,
      loading: false,
    });
    if (hits.length) this.results.show(hits, asked.how, full);
    else {
      this.place.replaceChildren(
        messages.noHits({ filtered: asked.filtered, asked: asked.asks, clearFilters: () => this.acts.set({ filters: {} }), clearAll: this.acts.clear }),
      );
    }
    this.status.textContent = foundLine(asked, full);
    this.acts.found(hits);
  }

  /**
   * @param {Index} index
   * @param {[SearchAnswer, Request]} one
   * @param {[SearchAnswer, Request]} other
   */
  #compared(index, [one, asked], [other, otherAsked]) {
    this.known.remember(one.hits);
    this.known.remember(other.hits);
    this.kind = asked.kind;
    this.compare.show({ hits: one.hits, how: how(index, one.generation, asked.kind) }, { hits: other.hits, how: how(index, other.generation, otherAsked.kind) });
    this.status.textContent = besideLine(one, other);
    this.acts.found(one.hits);
  }

  /**
   * @param {Generation} generation
   * @param {Generation | undefined} beside
   */
  #frame(generation, beside) {
    const shown = beside ? this.compare : this.results;
    const [first] = shown.nodes;
    if (!first || !this.place.contains(first)) {
      this.place.replaceChildren(...shown.nodes);
      shown.wait();
    }
    if (beside) this.compare.head(generation, beside);
  }

  /** @param {Stage} stage */
  #stage(stage) {
    const waiting = stage === "waiting" || stage === "long";
    byId("progress").hidden = !waiting;
    this.place.classList.toggle("stale", waiting);
    this.acts.waiting(waiting);
    if (stage === "long") this.status.textContent = "Loading the model… the first search with it takes a while.";
  }

  /** @param {string | undefined} text */
  #note(text) {
    this.notice.replaceChildren(...(text ? [messages.notice(text)] : []));
  }

  #again() {
    this.notice.replaceChildren();
    this.more();
  }
}
