// A plot of lines.
import { svg } from "../shared/dom.js";

/** Round values from low to high, about so many. */
export function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count,
    power = 10 ** Math.floor(Math.log10(rough)),
    step = [1, 2, 5, 10].find((one) => one * power >= rough * 0.999) * power;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++)
    found.push(Number((n * step).toPrecision(6)));
  return found;
}
const short = (value) =>
  Math.abs(value) >= 10000 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)));

const LEFT = 48,
  RIGHT = 10,
  TOP = 8,
  BOTTOM = 34,
  TALL = 170;
/** Lines over axes with ticks, as wide as their place: text is never stretched. Its colours are those of the style sheet. */
export class Plot {
  constructor() {
    this.root = svg("svg", { class: "ss-curve", role: "img" });
    new ResizeObserver(() => {
      if (this.last && this.root.clientWidth !== this.wide) this.draw(...this.last);
    }).observe(this.root);
  }
  /** lines: [{points: [[x, y], …], kind: class}], the first ones below; values outside low and high are clamped. */
  draw(lines, { low, high, end, x, y, words }) {
    this.last = [lines, { low, high, end, x, y, words }];
    const wide = (this.wide = this.root.clientWidth || 320),
      across = wide - LEFT - RIGHT,
      down = TALL - TOP - BOTTOM;
    if (!(high > low)) {
      high += Math.abs(high) * 0.1 || 1;
      low -= Math.abs(low) * 0.1 || 1;
    }
    const px = (value) => LEFT + (across * value) / Math.max(1, end),
      py = (value) => TOP + down * (1 - (Math.min(high, Math.max(low, value)) - low) / (high - low));
    const label = (at, text, more = {}) => {
      const made = svg("text", { ...at, ...more });
      made.textContent = text;
      return made;
    };
    this.root.setAttribute("viewBox", `0 0 ${wide} ${TALL}`);
    this.root.setAttribute("aria-label", words);
    this.root.replaceChildren(
      ...ticks(low, high, 5).flatMap((value) => [
        svg("line", { x1: LEFT, x2: wide - RIGHT, y1: py(value), y2: py(value), class: "ss-gridline" }),
        label({ x: LEFT - 6, y: py(value) + 4 }, short(value), { "text-anchor": "end", class: "ss-tick" }),
      ]),
      ...ticks(0, end, Math.max(2, Math.floor(across / 80))).flatMap((value) => [
        svg("line", { x1: px(value), x2: px(value), y1: TOP + down, y2: TOP + down + 4, class: "ss-axis" }),
        label({ x: px(value), y: TOP + down + 16 }, short(value), { "text-anchor": "middle", class: "ss-tick" }),
      ]),
      svg("line", { x1: LEFT, x2: wide - RIGHT, y1: TOP + down, y2: TOP + down, class: "ss-axis" }),
      svg("line", { x1: LEFT, x2: LEFT, y1: TOP, y2: TOP + down, class: "ss-axis" }),
      label({ x: LEFT + across / 2, y: TALL - 3 }, x, { "text-anchor": "middle", class: "ss-axis-name" }),
      label({ x: 12, y: TOP + down / 2 }, y, {
        "text-anchor": "middle",
        class: "ss-axis-name",
        transform: `rotate(-90 12 ${TOP + down / 2})`,
      }),
      ...lines.map(({ points, kind }) =>
        svg("polyline", {
          class: kind,
          points: points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" "),
        }),
      ),
    );
  }
}
