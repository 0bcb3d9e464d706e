// The accuracies of classifiers beside each other: a bar and its interval for each.
import { h } from "../shared/dom.js";
import { percent } from "../shared/format.js";

/** `arms`: what each was taught with, its accuracy and its interval; `n` test images. */
export const accuracies = (arms, n) =>
  h(
    "div",
    { class: "ss-numbers" },
    arms.map((arm) => line(arm, n)),
  );

function line(arm, n) {
  const words =
    `${arm.words}: ${percent(arm.value)}, 95 % interval ` +
    `${percent(arm.low)} to ${percent(arm.high)}, n = ${n} test images`;
  const whisker = `left:${100 * arm.low}%;width:${100 * Math.max(0, arm.high - arm.low)}%`;
  return h(
    "div",
    { class: "ss-arm", "data-arm": arm.arm, title: arm.help },
    h("span", { class: "ss-arm-name" }, arm.words),
    h(
      "div",
      { class: "ss-track", role: "img", "aria-label": words },
      h("i", { class: "ss-fill", style: `width:${100 * arm.value}%` }),
      h("i", { class: "ss-whisker", style: whisker }),
    ),
    h("b", { class: "ss-number" }, percent(arm.value)),
    h("span", { class: "ss-muted ss-number" }, `${percent(arm.low)} – ${percent(arm.high)}`),
  );
}
