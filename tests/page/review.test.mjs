// The review tab, as far as it needs no browser: how often it counts again, and when its list is out of date.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.mjs";

const { atMostOften } = await import("../../assets/page/grid/pace.js");
const { NOTHING } = await import("../../assets/page/grid/filters.js");
const { View } = await import("../../assets/page/grid/view.js");

const turn = (milliseconds = 0) => new Promise((done) => setTimeout(done, milliseconds));

test("however many calls come while it works, it works once more and never side by side", async () => {
  let now = 0,
    most = 0,
    runs = 0;
  const work = atMostOften(async () => {
    most = Math.max(most, ++now);
    runs += 1;
    await turn(5);
    now -= 1;
  }, 1);
  for (let call = 0; call < 20; call += 1) work();
  while (runs < 2) await turn(5);
  await turn(100);
  assert.equal(runs, 2);
  assert.equal(most, 1);
});

test("work that throws is tried again at the next call", async () => {
  let runs = 0;
  const work = atMostOften(async () => {
    runs += 1;
    throw new Error("the line is cut");
  }, 1);
  await work();
  await work();
  assert.equal(runs, 2);
});

test("a list is out of date when images came, and when decisions came that its filter asks for", () => {
  const view = new View({ api: null });
  Object.assign(view, { seen: { as_of: 4, upto: 10 }, last: 4, newest: 10 });
  assert.equal(view.stale, false);
  view.last = 5;
  assert.equal(view.stale, false);
  for (const part of [{ labels: ["rose"] }, { standings: ["pending"] }, { relabelled: true }, { sort: "decided" }]) {
    view.filter = { ...NOTHING, ...part };
    assert.equal(view.stale, true, JSON.stringify(part));
  }
  Object.assign(view, { filter: NOTHING, newest: 11 });
  assert.equal(view.stale, true);
});

test("a view that is refused says why and leaves the list that was in sight", async () => {
  const asked = [],
    said = [];
  const api = {
    insist: async (_, { q }) => {
      asked.push(JSON.parse(q));
      if (asked.at(-1).similar_to) throw new Error("nothing is known of this image");
      return { query: { as_of: 1, upto: 2 }, total: 0, classes: [], origins: {}, standings: {} };
    },
  };
  const nothing = () => undefined;
  const review = {
    api,
    grid: { layout: nothing, go: nothing, element: { classList: { toggle: nothing } } },
    place: { classList: { add: nothing, remove: nothing } },
    selection: { clear: nothing },
    store: { use: nothing, total: 1 },
    classes: { show: nothing },
    filters: { show: nothing },
    causes: { look: nothing },
    status: { draw: nothing, say: (text) => said.push(text) },
    saved: { draw: nothing },
    words: { show: nothing },
    keep: nothing,
  };
  const view = new View(review);
  await view.show({ ...NOTHING, labels: ["rose"] });
  await view.like("a red cup");
  assert.deepEqual([view.filter.labels, view.filter.words, view.filter.sort], [["rose"], "a red cup", "score_high"]);
  await view.show({ ...view.filter, words: "", sort: "arrival" });
  await view.similar("ab");
  assert.deepEqual(view.filter, { ...NOTHING, labels: ["rose"] });
  assert.deepEqual(said, ["nothing is known of this image"]);
  assert.equal(asked[3].sort, "score_high");
  assert.equal(asked.length, 5);
});
