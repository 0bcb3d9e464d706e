// A notification of the browser when work has ended: only if somebody asked for it on this very machine.
import { recall, remember } from "./storage.js";
import { say } from "./say.js";

const KEY = "synthstudio.notify";
const ENDINGS = { done: "is done", failed: "failed", stopped: "was stopped" };

export const notifies = () =>
  recall(KEY, false) === true && "Notification" in window && Notification.permission === "granted";

export function setNotify(on) {
  if (!remember(KEY, on)) say("This browser keeps nothing, so the choice cannot be remembered.");
}

/** What has ended between two states, in words. */
export function ended(before, now) {
  const running = new Set(before.pipelines.filter((one) => one.state === "running").map((one) => one.id));
  const over = now.pipelines
    .filter((one) => running.has(one.id) && ENDINGS[one.state])
    .map((one) => `${one.named ? one.name : one.title} ${ENDINGS[one.state]}`);
  const idle = (one) => !one.running.length && !one.queued;
  return over.length || !idle(now) || idle(before) || now.pipelines.some((one) => one.state === "running")
    ? over
    : ["All runs have ended"];
}

export function notify(before, now) {
  if (before && before.project === now.project && notifies())
    for (const words of ended(before, now)) new Notification("SynthStudio", { body: words, tag: words });
}
