// Accuracy against images per class: a line with its band, whiskers, the accuracy of all images, and the chosen size.
import { svg } from "../shared/dom.js";
import { percent } from "../shared/format.js";

const LEFT = 48,
  RIGHT = 24,
  TOP = 10,
  BOTTOM = 34,
  HIGH = 230;

/** Round shares between two, at most five of them or so. */
function ticks(low, top) {
  const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((one) => (top - low) / one <= 5) || 0.25,
    found = [];
  for (let at = Math.ceil(low / step) * step; at <= top + 1e-9; at += step) found.push(at);
  return found;
}

/** Draw into an svg, so many pixels of the screen wide, so that its words keep their size on a phone. */
export function drawShrinking(chart, { points, full }, chosen, wide) {
  const sizeOf = (one) => one.images_per_class,
    all = [...points, full].flatMap((one) => [one.accuracy.low, one.accuracy.high]),
    low = Math.max(0, Math.min(...all) - 0.04),
    top = Math.min(1, Math.max(...all) + 0.04),
    first = Math.log(sizeOf(points[0])),
    last = Math.log(sizeOf(points.at(-1))),
    across = wide - LEFT - RIGHT,
    right = wide - RIGHT;
  const x = (one) => LEFT + across * (last > first ? (Math.log(sizeOf(one)) - first) / (last - first) : 0.5),
    y = (value) => TOP + ((HIGH - TOP - BOTTOM) * (top - value)) / (top - low),
    line = (from, to, kind) => svg("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], class: kind }),
    word = ([left, down], words, kind) => svg("text", { x: left, y: down, class: kind }, words),
    path = (value) => points.map((one) => `${x(one).toFixed(1)},${y(value(one)).toFixed(1)}`);
  const level = y(full.accuracy.value),
    said = `all ${full.images} images: ${percent(full.accuracy.value)}`;
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${wide} ${HIGH}`, width: wide, height: HIGH }))
    chart.setAttribute(name, value);
  chart.setAttribute(
    "aria-label",
    "Accuracy on validation photos against images per class: " +
      `${points.map((one) => `${sizeOf(one)}: ${percent(one.accuracy.value)}`).join(", ")}; ${said}`,
  );
  chart.replaceChildren(
    ...ticks(low, top).flatMap((at) => [
      line([LEFT, y(at)], [right, y(at)], "grid"),
      word([LEFT - 6, y(at) + 4], `${Math.round(100 * at)} %`, "y"),
    ]),
    ...points.map((one) => word([x(one), HIGH - 18], String(sizeOf(one)), "x")),
    word([wide / 2, HIGH - 3], "images per class", "x"),
    line([LEFT, level], [right, level], "full"),
    word([right - 2, level - 5], said, "full"),
    svg("polygon", {
      points: [...path((one) => one.accuracy.high), ...path((one) => one.accuracy.low).reverse()].join(" "),
      class: "band",
    }),
    svg("polyline", { points: path((one) => one.accuracy.value).join(" "), class: "mean" }),
    line([x(chosen), TOP], [x(chosen), HIGH - BOTTOM], "now"),
    ...points.flatMap((one) => [
      line([x(one), y(one.accuracy.low)], [x(one), y(one.accuracy.high)], "whisker"),
      svg("circle", { cx: x(one), cy: y(one.accuracy.value), r: one === chosen ? 6 : 3.5 }),
    ]),
  );
}
