// What is worked out before it is shown: keys, zooms, the order of the queue, ticks of a plot, and what has ended.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ticks } from "../../assets/page/charts/plot.js";
import { digitKeys } from "../../assets/page/grid/keys.js";
import { zoomed } from "../../assets/page/grid/preview.js";
import { ended } from "../../assets/page/shared/notify.js";
import { moved } from "../../assets/page/tabs/queue.js";

const digits = [..."0123456789"];
const keysOf = (...given) => Object.fromEntries(digitKeys(...given));

test("a class that is called by a digit has that key", () => {
  assert.deepEqual(keysOf(digits), Object.fromEntries(digits.map((one) => [one, one])));
  assert.deepEqual(keysOf(["2", "cat", "dog"]), { 2: "2", 1: "cat", 3: "dog" });
});

test("the first ten of other classes have the digits in order, the tenth has 0", () => {
  const animals = Array.from({ length: 12 }, (_, n) => `animal ${n}`);
  assert.deepEqual(keysOf(animals), Object.fromEntries(digits.map((one, n) => [(n + 1) % 10, animals[n]])));
});

test("who looks for a class moves to no other one by its place", () => {
  assert.deepEqual(keysOf(["1", "7", "cat"], ["7"]), { 1: "1", 7: "7" });
});

test("a zoom goes round, nearer, further and back", () => {
  const steps = [
    [["fit", 0, 9], 1],
    [[1, 0, 9], 4],
    [[4, 0, 9], "fit"],
    [["fit", 1, 0.3], 1],
    [["fit", 1, 9], 16],
    [[16, 1, 9], 16],
    [[1, -1, 9], "fit"],
    [[8, null, 9], "fit"],
  ];
  for (const [given, wanted] of steps) assert.equal(zoomed(...given), wanted, String(given));
});

test("one that is moved in the queue keeps the order of the others", () => {
  assert.deepEqual(moved(["a", "b", "c"], "c", 0), ["c", "a", "b"]);
  assert.deepEqual(moved(["a", "b", "c"], "a", 9), ["b", "c", "a"]);
});

test("the ticks of a plot are round", () => {
  assert.deepEqual(ticks(0.702, 1.17, 5), [0.8, 0.9, 1, 1.1]);
  assert.deepEqual(ticks(0, 400, 5), [0, 100, 200, 300, 400]);
  assert.deepEqual(ticks(3, 3, 5), [3]);
});

const state = (working, pipelines) => ({
  running: working ? [{}] : [],
  queued: 0,
  pipelines: Object.entries(pipelines).map(([id, now]) => ({ id, state: now, title: id.toUpperCase(), named: false })),
});

test("what has ended is said once, by its name", () => {
  assert.deepEqual(ended(state(true, { a: "running" }), state(false, { a: "done" })), ["A is done"]);
  const [before, now] = [
    { a: "running", b: "running" },
    { a: "failed", b: "running" },
  ];
  assert.deepEqual(ended(state(true, before), state(true, now)), ["A failed"]);
});

test("where nothing has a name the end of all runs is said, but not between two steps of a recipe", () => {
  assert.deepEqual(ended(state(true, { a: "done" }), state(false, { a: "done" })), ["All runs have ended"]);
  assert.deepEqual(ended(state(true, { a: "running" }), state(false, { a: "running" })), []);
  assert.deepEqual(ended(state(false, { a: "done" }), state(false, { a: "done" })), []);
});
