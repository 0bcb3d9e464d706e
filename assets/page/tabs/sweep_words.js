// What is said of settings that are swept. Needs no browser.
import { many } from "../shared/format.js";

/** How far the sweep is. */
export const sum = ({ trials, wanted, state_words }) =>
  `${trials.filter((one) => one.teaches).length} of ${many(wanted, "trial")} · ${state_words}`;

/** On which photos settings are chosen, and what that means for the best. */
export const chosenOn = ({ validation_name, n }) =>
  `Chosen on ${validation_name}${n ? `, ${many(n, "photo")}` : ""}. ` +
  "Of many tries the best looks a little better there than it is.";

/** The cells of a trial, each with what stands below it: settings, measures, speed. */
export const cells = (trial, { fields, measures }) => [
  ...fields.map((field) => [String(trial.settings[field])]),
  ...measures.map(({ name }) => [trial.said[name]?.value ?? "–", trial.said[name]?.interval]),
  [trial.images_per_second ? trial.images_per_second.toFixed(1) : "–"],
];

/** What became of a trial: the best, refused by the guard, or how far it is. */
export function standing(trial, { best }) {
  if (best === trial.number - 1) return "best";
  if (trial.passes === false) return "refused by the guard";
  if (trial.teaches) return trial.reused ? "made before" : "";
  return trial.state === "running" && trial.total ? `${trial.done} of ${trial.total}` : trial.state_words;
}
