// What is said of images that are drawn until enough are accepted. Needs no browser.
import { many, number } from "../shared/format.js";

/** How far all classes are together. */
export const sum = ({ accepted, wanted, all, made, budget }) =>
  `${number(accepted)} of ${number(wanted * all)} accepted · ${number(made)} of at most ${many(budget * all, "image")} made`;

/** The cells of a class: accepted, made, the share that passes, what is left of its budget. */
export const cells = ({ made, passed }, { wanted, budget }) => [
  `${number(Math.min(passed, wanted))} of ${number(wanted)}`,
  number(made),
  made ? `${Math.round((100 * passed) / made)} %` : "–",
  number(budget - made),
];

/** Whether a class is complete, at its end, or goes on. */
export function standing({ made, passed }, { wanted, budget }) {
  if (passed >= wanted) return "complete";
  return made >= budget ? "short" : "open";
}
