// Finding by words: what is asked, waited for and said, and which question counts.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.mjs";

const { Words, progress } = await import("../../assets/page/grid/words.js");

const nothing = () => undefined;

/** A box on a page whose server answers `answers` in turn; what was shown is in `shown`. */
function box(...answers) {
  const shown = [],
    answer = async () => {
      const next = answers.shift();
      if (next instanceof Error) throw next;
      return next;
    };
  const review = {
    project: "p",
    api: { say: answer, insist: answer },
    view: { filter: { words: "" }, like: async (words) => shown.push(words) },
    grid: { element: { focus: nothing } },
  };
  return { words: new Words(review), shown };
}

test("words are shown once their run has ended, as the program writes them", async () => {
  const run = { id: "1", state: "running", words: "running", done: 3, total: 9 };
  const { words, shown } = box({ text: "a red cup", run, said: "" }, { text: "a red cup", run: null, said: "cut off" });
  const asked = words.find(" a  red cup");
  await asked;
  assert.deepEqual(shown, ["a red cup"]);
  assert.equal(words.said.textContent, "cut off");
  words.show("a red cup");
  assert.equal(words.said.textContent, "cut off");
  words.show("");
  assert.equal(words.said.textContent, "");
});

test("of two questions the last one counts, and no question asks nothing", async () => {
  const run = { id: "1", state: "queued", words: "queued", done: 0, total: 0 };
  const { words, shown } = box(
    { text: "slow", run },
    { text: "quick", run: null, said: "" },
    { text: "slow", run: null, said: "" },
  );
  await Promise.all([words.find("slow"), words.find("quick"), words.find("  ")]);
  assert.deepEqual(shown, ["quick"]);
});

test("a run that did not end well, and a refusal, are said and shows nothing", async () => {
  const run = { id: "1", state: "failed", words: "failed", error: "out of memory", done: 0, total: 0 };
  for (const answer of [{ text: "red", run, said: "" }, new Error("out of memory")]) {
    const { words, shown } = box(answer);
    await words.find("red");
    assert.match(words.said.textContent, /^out of memory/);
    assert.deepEqual(shown, []);
  }
});

test("a run says whether it looks at images or reads", () => {
  assert.equal(progress({ done: 1200, total: 3000, words: "running" }), "Looking at new images: 1,200 of 3,000…");
  assert.equal(progress({ done: 0, total: 0, words: "queued" }), "Reading the words: queued…");
});
