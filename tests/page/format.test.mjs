// Numbers, times and sizes in words.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../assets/page/shared/format.js";

test("a duration is said in the unit that a person would use", () => {
  assert.deepEqual([0.4, 59.4, 60, 3599, 7620].map(format.duration), [
    "0 s",
    "59 s",
    "1:00 min",
    "59:59 min",
    "2:07 h",
  ]);
  assert.equal(format.duration(-3), "0 s");
});

test("what is slow is counted by the minute", () => {
  assert.equal(format.rate(2.25, "images"), "2.3 images/s");
  assert.equal(format.rate(0.5, "steps"), "30.0 steps/min");
});

test("bytes are said in three sizes", () => {
  assert.deepEqual(
    [1, 999_000, 1e6, 2.5e9].map((one) => format.room(one)),
    ["1 kB", "999 kB", "1.0 MB", "2.5 GB"],
  );
  assert.equal(format.room(2e5, 1e5), "0.2 MB");
});

test("one is one, and none are many", () => {
  assert.deepEqual(
    [0, 1, 2].map((n) => format.many(n, "class", "classes")),
    ["0 classes", "1 class", "2 classes"],
  );
});

test("points carry their sign", () => {
  assert.deepEqual([0.034, -0.034, 0].map(format.points), ["+3.4", "−3.4", "+0.0"]);
});

test("progress is counted where the whole is known, and is the run's state where it is not", () => {
  const run = { done: 0, total: 1, unit: "images", state: "running", rate: 0.5, left: 90 };
  assert.equal(format.progressWords(run), "0 / 1 image");
  assert.equal(format.progressLine(run, "about "), "0 / 1 image · 30.0 images/min · about 1:30 min left");
  assert.equal(format.progressWords({ total: 0, state: "queued", state_words: "waits" }), "waits");
  assert.equal(format.share({ done: 1, total: 4 }), 25);
});
