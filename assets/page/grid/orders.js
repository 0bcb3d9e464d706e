// The orders of the list. One that a scorer gave a name brings its scorer: "What pays most first".
import { alike } from "./narrowing.js";

const SORTS = [
  ["arrival", "As they came"],
  ["newest", "Newest first"],
  ["class", "By class"],
  ["shuffled", "Shuffled"],
  ["decided", "Last decided"],
  ["score_low", "Lowest score"],
  ["score_high", "Highest score"],
];
const NAMED = "order:"; // before the scorer of such an order

/** What can be chosen under a filter, with what scorers say of themselves (`scales`): [value, text] each. */
export function orders(filter, scales) {
  const { scorer } = filter,
    like = alike(filter);
  const text = (words) =>
    like ? words.replace("Lowest score", "Least similar").replace("Highest score", "Most similar") : words;
  const plain = SORTS.filter(([name]) => scorer || like || !name.startsWith("score"));
  const named = Object.entries(scales).filter(([, { order }]) => order);
  return [
    ...plain.map(([name, words]) => [name, text(words)]),
    ...named.map(([own, { order }]) => [NAMED + own, order]),
  ];
}

/** The choice that stands for the order of a filter. */
export function orderOf(filter, scales) {
  const { scorer, sort } = filter,
    scale = alike(filter) ? undefined : scales[scorer];
  return scale?.order && scale.sort === sort ? NAMED + scorer : sort;
}

/** What a choice changes of a filter. The limits of a likeness go with it. */
export function ordered(choice, filter, scales) {
  if (!choice.startsWith(NAMED)) return { sort: choice };
  const scorer = choice.slice(NAMED.length),
    limits = alike(filter) ? { low: null, high: null } : {};
  return { scorer, similar_to: "", words: "", sort: scales[scorer].sort, ...limits };
}
