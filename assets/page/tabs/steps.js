// The steps of a recipe, one line each, with what works now and how far it is.
import { Rows, h, text } from "../shared/dom.js";
import { duration, progressLine, share } from "../shared/format.js";

/** What stands beside a step. */
function far(node) {
  if (["running", "stopping"].includes(node.state)) return progressLine(node);
  if (node.reused) return "made before, reused";
  if (node.state === "done") return duration(node.seconds);
  return node.state === "waiting" ? "" : node.state_words || node.state;
}

export class Steps {
  constructor() {
    this.root = h("ol", { class: "ss-steps" });
    this.rows = new Rows(this.root, row, update, ({ at }) => at);
  }
  draw(nodes) {
    this.rows.draw(nodes.map((node, at) => ({ node, at })));
  }
}

function row() {
  const words = h("span", { class: "ss-step-words" }),
    beside = h("span", { class: "ss-muted ss-number" }),
    meter = h("progress", { max: 100, value: 0 });
  const dot = h("span", { class: "ss-dot", "aria-hidden": "true" });
  return { root: h("li", {}, dot, words, beside, meter), words, beside, meter };
}

function update({ root, words, beside, meter }, { node }) {
  Object.assign(root.dataset, { state: node.state, kind: node.kind });
  text(words, node.words);
  text(beside, far(node));
  meter.hidden = !["running", "stopping"].includes(node.state);
  meter.setAttribute("aria-label", node.words);
  meter.value = share(node);
}
