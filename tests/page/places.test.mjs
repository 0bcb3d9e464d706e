// A selection is spans of places, whatever was added, taken away and turned around before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Places } from "../../assets/page/grid/places.js";

/** A list of numbers that looks random and is the same every time. */
function* numbers(seed) {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state;
  }
}

test("spans that touch become one, and stay in order", () => {
  const places = new Places();
  places.add(5, 7);
  places.add(1, 2);
  places.add(4, 3);
  assert.deepEqual(places.spans, [[1, 7]]);
});

test("a million places are one pair of numbers", () => {
  const places = new Places();
  places.add(999_999, 0);
  assert.equal(places.size, 1_000_000);
  places.remove(500_000);
  assert.deepEqual(places.spans, [
    [0, 499_999],
    [500_001, 999_999],
  ]);
});

test("after any acts the places are those that a plain set holds", () => {
  const places = new Places();
  const plain = new Set();
  const draw = numbers(7);
  for (let act = 0; act < 2000; act++) {
    const [kind, first, length] = [draw.next().value % 3, draw.next().value % 60, draw.next().value % 8];
    if (kind === 0) {
      places.add(first, first + length);
      for (let place = first; place <= first + length; place++) plain.add(place);
    } else if (kind === 1) {
      places.remove(first);
      plain.delete(first);
    } else {
      places.toggle(first);
      if (!plain.delete(first)) plain.add(first);
    }
    assert.deepEqual(
      [...places],
      [...plain].sort((a, b) => a - b),
    );
    assert.equal(places.size, plain.size);
  }
});
