// What is said of a comparison of settings. Needs no browser.

/** One photo noised more and more: there a range can be chosen. */
export const isLadder = ({ x, y }) => !y && x.name === "strength" && x.values.length > 1;

/** Two rungs in order, whichever handle stands lower. */
export const within = (one, other) => [Number(one), Number(other)].sort((a, b) => a - b);

/** The lines under a picture: how near it is to a photo, and how much like its class. */
export function under({ nearest_real: near, label_agreement: like }) {
  return [
    typeof near === "number" && (near >= 1 ? "a copy" : `photo ${near.toFixed(2)}`),
    typeof like === "number" && `class ${Math.round(100 * like)} %`,
  ].filter(Boolean);
}
