// The bar above the tabs: what works now. And what else stands around them: the title, the project's name, times.
import { flash, go } from "../shared/address.js";
import { h, link, text } from "../shared/dom.js";
import { duration, moment, progressWords, share } from "../shared/format.js";
import { notifies, setNotify } from "../shared/notify.js";
import { say } from "../shared/say.js";
import { Part, offline, state } from "../shared/state.js";

const TITLE = "SynthStudio";

class Bar extends Part {
  build() {
    this.words = h("span", { class: "ss-bar-words" });
    this.meter = h("progress", { max: 100, value: 0, "aria-label": "progress of the current run" });
    this.lost = h("span", { class: "ss-bar-lost", role: "status" });
    this.open = link("show", () => go("start"));
    this.bell = link("", () => this.ring(), { class: "ss-link ss-bell", hidden: !("Notification" in window) });
    this.append(this.words, this.meter, this.open, this.bell, this.lost);
    this.rings();
  }
  rings() {
    const on = notifies();
    this.bell.setAttribute("aria-pressed", String(on));
    text(this.bell, on ? "Telling you when it is done" : "Tell me when it is done");
  }
  async ring() {
    if (notifies()) setNotify(false);
    else if ((await Notification.requestPermission()) === "granted") setNotify(true);
    else say("This browser allows no notifications from this page. Its settings for this site can allow them.");
    this.rings();
  }
  draw(now) {
    const run = now.running[0];
    this.classList.toggle("idle", !run && !offline);
    text(this.lost, offline);
    this.meter.hidden = this.open.hidden = !run;
    text(this.words, run ? working(now, run) : now.queued ? `${now.queued} queued` : "");
    if (run) this.meter.value = share(run);
  }
}

function working(now, run) {
  const words = now.pipeline?.nodes.find((one) => one.run === run.run)?.words || run.kind_words || run.kind,
    left = run.left ? `, about ${duration(run.left)} left` : "",
    more = now.queued ? ` · ${now.queued} queued` : "";
  return `${run.state === "stopping" ? "Stopping: " : ""}${words}: ${progressWords(run)}${left}${more}`;
}

/** The window's title, with what works now. */
function title() {
  const pipeline = state?.pipeline;
  let head = "";
  if (pipeline?.state === "running") head = `${Math.round(100 * overall(pipeline))} % · `;
  else if (state?.running.length) head = "working · ";
  document.title = head + (state && state.project !== "default" ? `${state.project} · ` : "") + TITLE;
}

function overall(pipeline) {
  const parts = pipeline.nodes.map((one) => (one.state === "done" ? 1 : share(one) / 100));
  return parts.reduce((sum, one) => sum + one, 0) / Math.max(1, parts.length);
}

/** A time in the reader's zone: `<studio-time at="2026-11-27T12:00:00Z">`. */
class Time extends HTMLElement {
  connectedCallback() {
    const at = new Date(this.getAttribute("at"));
    if (isNaN(at)) return;
    this.textContent = moment(at);
    this.title = at.toString();
  }
}

// The name in the header leads to the list of projects.
function toProjects() {
  go("start");
  document.querySelector("#ss-open")?.click();
  setTimeout(() => {
    flash("#ss-project");
    document.querySelector("#ss-project input")?.focus();
  }, 300);
}

customElements.define("studio-bar", Bar);
customElements.define("studio-time", Time);
window.addEventListener("studio:state", () => {
  title();
  const name = document.querySelector("#ss-project-name");
  if (name && state) text(name, state.project);
});
document.addEventListener("click", (event) => event.target.closest?.("#ss-project-name") && toProjects());
