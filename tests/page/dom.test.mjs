// Drawing: text from outside stays text, and what has not changed is not touched.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.mjs";
import { Rows, fill, forget, h, offer, render, table, td, th, tr } from "../../assets/page/shared/dom.js";

const words = (place) => place.children.map((one) => one.textContent);

test("a name full of HTML is a text", () => {
  const made = h("p", { title: "<b>" }, "<img src=x onerror=alert(1)>");
  assert.equal(made.children.length, 1);
  assert.equal(made.textContent, "<img src=x onerror=alert(1)>");
  assert.equal(made.attributes.title, "<b>");
});

test("nothing is drawn for null, undefined and false; zero is a number", () => {
  assert.deepEqual(words(h("p", {}, null, undefined, false, [["a"], [0]], "")), ["a", "0", ""]);
  assert.deepEqual(h("p", { id: null, hidden: true, inert: false }).attributes, { hidden: "" });
});

test("a listener is no attribute", () => {
  let pressed = 0;
  const made = h("button", { onclick: () => (pressed += 1) });
  made.listeners.click();
  assert.equal(pressed, 1);
  assert.deepEqual(made.attributes, {});
});

test("a place is drawn anew only where its data differs", () => {
  const place = h("div");
  const draw = (data) => render(place, data, (names) => names.map((name) => h("i", {}, name)));
  assert.equal(draw(["a", "b"]), true);
  const [first] = place.children;
  assert.equal(draw(["a", "b"]), false);
  assert.equal(place.children[0], first);
  assert.equal(draw(["a"]), true);
  assert.notEqual(place.children[0], first);
  forget(place);
  assert.equal(draw(["a"]), true);
});

test("a place that shows nothing at first can be drawn", () => {
  const place = h("div");
  render(place, undefined, () => "nothing yet");
  assert.equal(place.textContent, "nothing yet");
  fill(place);
  assert.equal(place.textContent, "");
});

test("rows stay the same elements through changes of order, and go with their items", () => {
  const place = h("ol");
  const rows = new Rows(
    place,
    (item) => ({ root: h("li", {}, item.id) }),
    (row, item, at) => Object.assign(row, { at }),
  );
  rows.draw([{ id: "a" }, { id: "b" }, { id: "c" }]);
  const [a, b, c] = place.children;
  rows.draw([{ id: "c" }, { id: "n" }, { id: "a" }]);
  assert.deepEqual(words(place), ["c", "n", "a"]);
  assert.equal(place.children[0], c);
  assert.equal(place.children[2], a);
  assert.equal(b.parent, null);
  assert.equal(rows.get("a").at, 2);
  assert.deepEqual([...rows].map(([id]) => id).sort(), ["a", "c", "n"]);
});

test("what is chosen in a select stays chosen while it is offered", () => {
  const select = h("select");
  offer(select, [
    ["1", "one"],
    ["2", "two"],
  ]);
  select.value = "2";
  assert.equal(
    offer(select, [
      ["1", "one"],
      ["2", "two"],
    ]),
    false,
  );
  const offered = (options) => {
    const set = [];
    Object.defineProperty(select, "value", {
      configurable: true,
      get: () => "2",
      set(one) {
        set.push(one);
      },
    });
    assert.equal(offer(select, options), true);
    return set;
  };
  assert.deepEqual(
    offered([
      [0, "none"],
      [2, "two"],
    ]),
    ["2"],
  );
  assert.deepEqual(offered([[0, "none"]]), []);
});

test("a table has a head only where it has names", () => {
  const made = table([th("n", "Images")], [tr(td("n", "3"))], "ss-list");
  assert.deepEqual(
    made.children.map((one) => one.tag),
    ["thead", "tbody"],
  );
  assert.equal(made.attributes.class, "ss-table ss-list");
  assert.deepEqual(
    table([], []).children.map((one) => one.tag),
    ["tbody"],
  );
});
