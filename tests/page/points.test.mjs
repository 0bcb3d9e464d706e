// Points as the server sends them, what a lasso holds, what is nearest, and where one looks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { coloured, hues, sizeOf } from "../../assets/page/grid/map_colours.js";
import { Places } from "../../assets/page/grid/places.js";
import { Camera, Index, PLACED, read } from "../../assets/page/grid/points.js";

/** Bytes as `map_routes.py` packs them. */
function packed(rows, more = {}) {
  const head = { total: rows.length, labels: ["<b>", "rose"], runs: ["r1"], low: null, high: null, ...more };
  let text = new TextEncoder().encode(JSON.stringify(head));
  text = Uint8Array.from([...text, ...Array((4 - (text.length % 4)) % 4).fill(32)]);
  const wide = ["x", "y", "label", "run"].flatMap((name) => rows.map((row) => row[name] ?? 0));
  const narrow = ["origin", "standing", "score", "mark"].flatMap((name) => rows.map((row) => row[name] ?? 0));
  const parts = [Uint32Array.of(text.length), text, Uint16Array.from(wide), Uint8Array.from(narrow)];
  return new Blob(parts).arrayBuffer();
}

const THEME = Object.fromEntries(
  ["ground", "pending", "accepted", "rejected", "lowest", "low", "high", "highest"].map((name, at) => [
    name,
    [at, at, at],
  ]),
);
const square = (count) =>
  Array.from({ length: count * count }, (_, at) => ({
    x: Math.round(((at % count) + 0.5) * (65536 / count)),
    y: Math.round((Math.floor(at / count) + 0.5) * (65536 / count)),
    mark: PLACED,
  }));

test("columns come out as they went in, for views of any length", async () => {
  for (const count of [0, 1, 2, 3, 5]) {
    const rows = Array.from({ length: count }, (_, at) => ({
      x: at,
      y: 65535 - at,
      label: 1,
      standing: at % 3,
      mark: at % 2,
    }));
    const points = read(await packed(rows));
    assert.deepEqual(
      [...points.y],
      rows.map((row) => row.y),
    );
    assert.deepEqual(
      [...points.standing],
      rows.map((row) => row.standing),
    );
    assert.equal(points.placed, rows.filter((row) => row.mark).length);
    assert.equal(points.labels[0], "<b>");
  }
});

test("a lasso holds what it surrounds, in order, and nothing without a place", async () => {
  const rows = square(10);
  rows[11].mark = 0;
  const index = new Index(read(await packed(rows)));
  const corner = [
    [0, 0],
    [0.3, 0],
    [0.3, 0.3],
    [0, 0.3],
  ];
  assert.deepEqual(index.inside(corner), [0, 1, 2, 10, 12, 20, 21, 22]);
  assert.deepEqual(index.inside([...corner].reverse()), [0, 1, 2, 10, 12, 20, 21, 22]);
  assert.equal(
    index.inside([
      [-9, -9],
      [9, -9],
      [9, 9],
      [-9, 9],
    ]).length,
    99,
  );
  assert.deepEqual(
    index.inside([
      [0, 0],
      [1, 1],
    ]),
    [],
  );
  assert.deepEqual(index.inside([]), []);
  assert.deepEqual(
    index.inside([
      [NaN, 0],
      [1, NaN],
      [0, 1],
    ]),
    [],
  );
});

test("a lasso that is bent in leaves out what lies in the bend", async () => {
  const index = new Index(read(await packed(square(10))));
  const bent = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0.5, 0.2],
    [0, 1],
  ];
  const found = index.inside(bent);
  assert.ok(found.includes(0) && found.includes(9));
  assert.ok(!found.includes(94) && !found.includes(95));
});

test("the nearest point is found within reach, and of two at one spot the last", async () => {
  const rows = [...square(4), { x: 8192, y: 8192, mark: PLACED }];
  const index = new Index(read(await packed(rows)));
  assert.equal(index.nearest(0.13, 0.12, 0.05), 16);
  assert.equal(index.nearest(0.87, 0.88, 0.05), 15);
  assert.equal(index.nearest(0.5, 0.5, 0.05), -1);
  assert.equal(index.nearest(-3, 7, 0.05), -1);
});

test("arrows go to the next point in their direction, and nowhere at the edge", async () => {
  const index = new Index(read(await packed(square(5))));
  assert.deepEqual(
    [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ].map((way) => index.beside(12, way)),
    [13, 11, 17, 7],
  );
  assert.equal(index.beside(4, [1, 0]), -1);
});

test("what the pointer is at stays there while one zooms, and a whole square stays whole in another window", () => {
  const camera = new Camera();
  camera.fit(800, 400);
  assert.deepEqual(camera.pixel(0.5, 0.5), [400, 200]);
  camera.resize(600, 600);
  assert.deepEqual(camera.pixel(0, 0), [0, 0]);
  const before = camera.share(100, 500);
  camera.zoom(3, 100, 500);
  camera.share(100, 500).forEach((share, way) => assert.ok(Math.abs(share - before[way]) < 1e-12));
  camera.pan(30, -20);
  const [x, y] = camera.pixel(...before);
  assert.ok(Math.abs(x - 130) < 1e-9 && Math.abs(y - 480) < 1e-9);
});

test("many places are added in one pass to those that were chosen before", () => {
  const places = new Places();
  places.add(3, 5);
  places.add(9, 9);
  places.addEach([0, 4, 6, 8, 12]);
  assert.deepEqual(places.spans, [
    [0, 0],
    [3, 6],
    [8, 9],
    [12, 12],
  ]);
  places.addEach([]);
  places.addEach([13, 14]);
  assert.deepEqual(places.spans.at(-1), [12, 14]);
  assert.deepEqual(
    [2, 3, 7, 9, 14, 15].map((place) => places.has(place)),
    [false, true, false, true, true, false],
  );
});

test("every colour has a name beside it, and a class keeps its colour whatever is shown", async () => {
  const all = read(await packed([{ label: 0 }, { label: 1 }, { label: 1 }])),
    some = read(await packed([{ label: 1 }]));
  const [whole, part] = [all, some].map((points) => coloured(points, "class", THEME));
  assert.deepEqual(
    whole.legend.map(([, words]) => words),
    ["rose", "<b>"],
  );
  assert.deepEqual(part.legend, [whole.legend[0]]);
  assert.deepEqual(
    coloured(all, "decision", THEME).legend.map(([, words]) => words),
    ["pending", "accepted", "rejected"],
  );
  const scored = read(await packed([{ score: 0 }, { score: 255 }], { low: 0.25, high: 1 }));
  assert.equal(coloured(scored, "score", THEME).palette.length, 256);
  assert.ok(coloured(all, "score", THEME).legend[0][1].includes("choose one"));
  const many = read(
    await packed(
      Array.from({ length: 20 }, (_, at) => ({ label: at })),
      { labels: [..."abcdefghijklmnopqrst"] },
    ),
  );
  assert.equal(coloured(many, "class", THEME).legend.at(-1)[1], "and 8 more");
});

test("colours are colours, and points are smaller the more there are", () => {
  for (const dark of [true, false])
    for (const parts of hues(300, dark))
      assert.ok(parts.every((part) => Number.isInteger(part) && part >= 0 && part <= 255));
  assert.ok(sizeOf(1_000_000, 1, 1) < sizeOf(1000, 1, 1));
  assert.ok(sizeOf(1000, 8, 1) > sizeOf(1000, 1, 1));
});
