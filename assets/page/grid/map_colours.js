// What a colour on the map says: class, decision, score or run. Needs no browser.
import { mixed } from "./raster.js";

const MOST = 12; // names in a legend
export const BY = [
  ["class", "Class"],
  ["decision", "Decision"],
  ["score", "Score"],
  ["run", "Run"],
];
const DECISIONS = ["pending", "accepted", "rejected"];
const RAMP = ["lowest", "low", "high", "highest"];

/** As many colours as are asked for: hues as far from each other as can be, whatever their number. */
export function hues(count, dark) {
  return Array.from({ length: count }, (_, at) => fromHue((at * 137.508 + 215) % 360, 0.62, dark ? 0.64 : 0.44));
}

function fromHue(hue, saturation, lightness) {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const part = (shift) => {
    const turn = (shift + hue / 30) % 12;
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(turn - 3, 9 - turn, 1))));
  };
  return [part(0), part(8), part(4)];
}

const ramp = (colours, share) => {
  const at = Math.min(RAMP.length - 2, Math.floor(share * (RAMP.length - 1)));
  return mixed(colours[RAMP[at]], colours[RAMP[at + 1]], share * (RAMP.length - 1) - at);
};

/** Colours of points: `palette`, `colour` (of each point its place in it) and a legend of [colour, words]. `theme` has
 * the colours of the style sheets as numbers, by name. */
export function coloured(points, by, theme) {
  if (by === "decision") return decided(points, theme);
  if (by === "score") return scored(points, theme);
  const dark = theme.ground.reduce((sum, part) => sum + part) < 384;
  const names = by === "run" ? points.runs : points.labels,
    column = by === "run" ? points.run : points.label;
  const palette = hues(names.length, dark),
    counts = new Uint32Array(names.length);
  for (const code of column) counts[code]++;
  const shown = [...counts.keys()].filter((code) => counts[code]).sort((a, b) => counts[b] - counts[a] || a - b);
  const legend = shown.slice(0, MOST).map((code) => [palette[code], names[code]]);
  if (shown.length > MOST) legend.push([null, `and ${shown.length - MOST} more`]);
  return { palette, colour: column, legend };
}

function decided(points, theme) {
  const palette = DECISIONS.map((word) => theme[word]);
  return { palette, colour: points.standing, legend: DECISIONS.map((word, at) => [palette[at], word]) };
}

function scored({ score, low, high }, theme) {
  const palette = [theme.pending, ...Array.from({ length: 255 }, (_, at) => ramp(theme, at / 254))];
  if (low === null) return { palette, colour: score, legend: [[palette[0], "no score: choose one under Filters"]] };
  const said = (value) => String(Number(value.toPrecision(3)));
  const steps = [
    [1, said(low)],
    [128, said((low + high) / 2)],
    [255, said(high)],
    [0, "none"],
  ];
  return { palette, colour: score, legend: steps.map(([step, words]) => [palette[step], words]) };
}

/** While a map is moved, every so-manieth point is drawn: no more than can be drawn as often as one looks. */
export const strideOf = (total) => Math.ceil(total / 150_000);

/** How large a point is drawn, in pixels of the screen: small where there are many, larger where one looks closer. */
export function sizeOf(total, zoom, density) {
  const base = total > 200_000 ? 0.8 : total > 50_000 ? 1.2 : total > 5000 ? 2 : total > 500 ? 3 : 4;
  return base * density * Math.max(1, Math.min(3, zoom ** 0.35));
}
