import assert from "node:assert/strict";
import { test } from "node:test";
import { cells, standing, sum } from "../../assets/page/tabs/sweep_words.js";

const found = { fields: ["guidance_scale"], measures: [{ name: "teaches" }], best: 1, wanted: 3, state_words: "running" };
const trial = { number: 1, settings: { guidance_scale: 2.5 }, said: {}, state: "running", state_words: "running" };
const told = {
  ...trial,
  teaches: [0.5, 0.2, 0.8],
  passes: true,
  said: { teaches: { value: "50 %", interval: "20 % to 80 %" } },
  images_per_second: 1.234,
};

test("a sweep says how many of its trials are told", () => {
  assert.equal(sum({ ...found, trials: [told, trial] }), "1 of 3 trials · running");
});

test("a trial says its settings, its measures with their intervals, and how fast it was", () => {
  assert.deepEqual(cells(told, found), [["2.5"], ["50 %", "20 % to 80 %"], ["1.2"]]);
  assert.deepEqual(cells(trial, found), [["2.5"], ["–", undefined], ["–"]]);
});

test("a trial is the best, refused, made before, or as far as it is", () => {
  assert.equal(standing({ ...told, number: 2 }, found), "best");
  assert.equal(standing({ ...told, passes: false }, found), "refused by the guard");
  assert.equal(standing({ ...told, reused: true }, found), "made before");
  assert.equal(standing(told, found), "");
  assert.equal(standing({ ...trial, done: 4, total: 20 }, found), "4 of 20");
  assert.equal(standing({ ...trial, state: "queued", state_words: "queued" }, found), "queued");
});
