// The live parts of the page. One poller per tab; every part draws what /studio/state says and nothing else, so a
// reload, a second tab and a restarted server all show the same. Names come from strangers: only textContent here.
(() => {
  "use strict";
  const BASE = "/studio";
  const ACTIVE = ["running", "stopping", "queued"];
  const query = () => new URLSearchParams(location.search);

  const el = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };
  const svg = (tag, attributes = {}) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const text = (node, value) => { if (node.textContent !== value) node.textContent = value; };
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const duration = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    const h = Math.floor(s / 3600), m = Math.floor((s % 3600) / 60);
    return h ? `${h}:${String(m).padStart(2, "0")} h` : `${m}:${String(s % 60).padStart(2, "0")} min`;
  };
  const rate = (value, unit) => value >= 1 ? `${value.toFixed(1)} ${unit}/s` : `${(60 * value).toFixed(1)} ${unit}/min`;
  const leaveRun = () => {
    const wanted = query();
    if (wanted.has("run")) { wanted.delete("run"); history.replaceState(null, "", `${location.pathname}?${wanted}`); }
  };
  const flash = (selector) => {
    const found = document.querySelector(selector);
    if (!found) return;
    found.scrollIntoView({ behavior: "smooth", block: "center" });
    found.classList.remove("ss-flash"); void found.offsetWidth; found.classList.add("ss-flash");
    (found.matches("button") ? found : found.querySelector("button"))?.focus({ preventScroll: true });
  };
  const progressWords = (run) => run.total ? `${run.done} / ${run.total} ${run.unit}` : run.state_words || run.state;

  const post = async (path, body) => {
    const answer = await fetch(BASE + path, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body || {}),
    });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) say(found.detail || `The server answered ${answer.status}.`);
    poke();
    return answer.ok ? found : null;
  };
  // A button works once per press: it is disabled until the server has answered.
  const act = (label, path, kind = "") => {
    const button = el("button", { type: "button", class: `ss-button ${kind}` }, label);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try { await post(path); } catch { say("The server cannot be reached. It was not done."); }
      button.disabled = false;
    });
    return button;
  };
  const say = (message) => {
    const box = document.querySelector("#ss-toast") || document.body.appendChild(el("div", { id: "ss-toast", role: "alert" }));
    box.textContent = message;
    box.classList.add("shown");
    clearTimeout(say.timer);
    say.timer = setTimeout(() => box.classList.remove("shown"), 7000);
  };

  // ---- the poller

  let state = null, offline = false, timer = 0, busy = false, delay = 700;
  const baseTitle = "SynthStudio";
  const poll = async () => {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    try {
      if (!document.hidden || state === null || ACTIVE.includes(state.pipeline?.state)) {
        const wanted = query().get("run");
        const answer = await fetch(`${BASE}/state${wanted ? `?pipeline=${encodeURIComponent(wanted)}` : ""}`);
        if (!answer.ok) throw new Error(answer.status);
        const found = await answer.json();
        if (state && state.project !== found.project) { location.replace(location.pathname); return; }
        state = found;
        offline = false;
        const working = state.running.length || state.queued || state.pipeline?.state === "running";
        delay = document.hidden ? 5000 : working ? 700 : 3000;
      } else delay = 3000;
    } catch {
      offline = true;
      delay = Math.min(8000, delay * 1.6);
    } finally { busy = false; }
    document.documentElement.classList.toggle("ss-offline", offline);
    title();
    window.dispatchEvent(new CustomEvent("studio:state", { detail: state }));
    timer = setTimeout(poll, delay);
  };
  const poke = () => { delay = 300; clearTimeout(timer); timer = setTimeout(poll, 60); };
  const overall = (pipeline) => {
    const parts = pipeline.nodes.map((n) => n.state === "done" ? 1 : n.total ? n.done / n.total : 0);
    return parts.reduce((a, b) => a + b, 0) / Math.max(1, parts.length);
  };
  const title = () => {
    const pipeline = state?.pipeline;
    let head = "";
    if (pipeline?.state === "running") head = `${Math.round(100 * overall(pipeline))} % · `;
    else if (state?.running.length) head = "working · ";
    document.title = head + baseTitle;
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) poke(); });

  class Part extends HTMLElement {
    connectedCallback() {
      if (!this.built) { this.built = true; this.build(); }
      this.listen = () => state && this.draw(state);
      window.addEventListener("studio:state", this.listen);
      this.listen();
    }
    disconnectedCallback() { window.removeEventListener("studio:state", this.listen); }
  }

  // ---- the bar above the tabs: what works now

  class Bar extends Part {
    build() {
      this.words = el("span", { class: "ss-bar-words" });
      this.meter = el("progress", { max: 100, value: 0, "aria-label": "progress of the current run" });
      this.lost = el("span", { class: "ss-bar-lost", role: "status" });
      this.open = el("button", { type: "button", class: "ss-link", onclick: () => go("start") }, "show");
      this.append(this.words, this.meter, this.open, this.lost);
    }
    draw(now) {
      const run = now.running[0];
      this.classList.toggle("idle", !run && !offline);
      text(this.lost, offline ? "No contact with the server; trying again…" : "");
      this.meter.hidden = this.open.hidden = !run;
      if (!run) { text(this.words, now.queued ? `${now.queued} queued` : ""); return; }
      const left = run.left ? `, about ${duration(run.left)} left` : "";
      const more = now.queued ? ` · ${now.queued} queued` : "";
      text(this.words, `${run.state === "stopping" ? "Stopping: " : ""}${kindWords(now, run)}: ${progressWords(run)}${left}${more}`);
      this.meter.value = run.total ? 100 * run.done / run.total : 0;
    }
  }
  const kindWords = (now, run) => now.pipeline?.nodes.find((n) => n.run === run.run)?.words || run.kind_words || run.kind;

  // ---- the panel of a recipe: steps, curve, newest images, answer

  class Panel extends Part {
    build() {
      this.hidden = true;  // until the first state says that there is something to show
      this.head = el("div", { class: "ss-live-head" });
      this.name = el("h2");
      this.about = el("span", { class: "ss-muted" });
      this.badge = el("span", { class: "ss-state", role: "status", "aria-live": "polite" });
      this.time = el("span", { class: "ss-muted ss-number" });
      this.buttons = el("span", { class: "ss-buttons" });
      this.head.append(el("div", {}, this.name, this.about), el("div", { class: "ss-live-right" }, this.badge, this.time, this.buttons));
      this.error = el("div", { class: "ss-badline", role: "alert", hidden: true });
      this.answer = el("div", { class: "ss-answer", hidden: true });
      this.steps = el("ol", { class: "ss-steps" });
      this.pictures = el("div", { class: "ss-newest" });
      this.picturesTitle = el("h3", {}, "Newest images");
      this.curveBox = new CurveBox();
      this.append(this.head, this.error, this.answer, el("div", { class: "ss-live-body" },
        el("div", {}, this.steps), el("div", {}, this.picturesTitle, this.pictures, this.curveBox.root)));
      this.rows = new Map();
    }
    draw(now) {
      const pipeline = now.pipeline;
      this.hidden = !pipeline;
      if (!pipeline) return;
      this.dataset.state = pipeline.state;
      this.dataset.pipeline = pipeline.id;
      text(this.name, pipeline.title);
      text(this.about, `${pipeline.data} · ${pipeline.shots} shots per class · ${pipeline.preset} · ${pipeline.folds === 1 ? "1 fold" : pipeline.folds + " folds"} · ${pipeline.backbone}`);
      const stopping = pipeline.state === "stopped" && pipeline.nodes.some((n) => n.state === "stopping");
      const shown = stopping ? "stopping" : pipeline.state;
      text(this.badge, shown);
      this.badge.dataset.state = shown;
      text(this.time, duration(pipeline.seconds) + (pipeline.left ? `, about ${duration(pipeline.left)} left` : ""));
      this.time.hidden = pipeline.state === "stopped";
      this.steer(pipeline, shown);
      this.error.hidden = !pipeline.error;
      text(this.error, pipeline.error || "");
      this.drawSteps(pipeline);
      this.drawPictures(pipeline.images);
      this.drawCurve(pipeline.shown);
      this.drawAnswer(pipeline);
    }
    steer(pipeline, shown) {
      const key = pipeline.id + shown;
      if (this.steered === key) return;
      this.steered = key;
      const path = `/pipelines/${encodeURIComponent(pipeline.id)}`;
      this.buttons.replaceChildren();
      if (shown === "running") this.buttons.append(act("Stop", `${path}/stop`, "quiet"));
      if (["stopped", "failed"].includes(shown)) this.buttons.append(act("Resume", `${path}/resume`, "strong"));
    }
    drawSteps(pipeline) {
      const keys = pipeline.nodes.map((node, place) => pipeline.id + place);
      if (this.steps.dataset.keys !== keys.join()) {
        this.steps.dataset.keys = keys.join();
        this.rows.clear();
        this.steps.replaceChildren(...keys.map((key) => {
          const row = { words: el("span", { class: "ss-step-words" }), far: el("span", { class: "ss-muted ss-number" }),
                        meter: el("progress", { max: 100, value: 0 }), item: null };
          row.item = el("li", {}, el("span", { class: "ss-dot", "aria-hidden": "true" }), row.words, row.far, row.meter);
          this.rows.set(key, row);
          return row.item;
        }));
      }
      pipeline.nodes.forEach((node, place) => {
        const row = this.rows.get(keys[place]), working = ["running", "stopping"].includes(node.state);
        row.item.dataset.state = node.state;
        text(row.words, node.words);
        const left = node.left ? ` · ${duration(node.left)} left` : "", speed = node.rate ? ` · ${rate(node.rate, node.unit)}` : "";
        text(row.far, working ? progressWords(node) + speed + left
          : node.reused ? "made before, reused"
          : node.state === "done" ? duration(node.seconds)
          : node.state === "waiting" ? "" : node.state_words || node.state);
        row.meter.hidden = !working;
        row.meter.setAttribute("aria-label", node.words);
        row.meter.value = node.total ? 100 * node.done / node.total : 0;
      });
    }
    drawPictures(images) {
      this.picturesTitle.hidden = !images.length;
      const key = images.map((one) => one.digest).join();
      if (this.pictures.dataset.key === key) return;
      this.pictures.dataset.key = key;
      const old = new Map([...this.pictures.children].map((one) => [one.dataset.digest, one]));
      this.pictures.replaceChildren(...images.map((one) => old.get(one.digest) || el("img", {
        src: `${BASE}/thumbs/${one.digest}`, alt: `synthetic ${one.label}`, title: `${one.label}\n${one.prompt}`,
        loading: "lazy", decoding: "async", width: 96, height: 96, "data-digest": one.digest })));
    }
    drawCurve(shown) { this.curveBox.draw(shown ? shown.curves : {}, shown ? shown.words : "", shown ? shown.total : 0); }
    drawAnswer(pipeline) {
      const result = pipeline.result, key = result ? pipeline.id : "";
      this.answer.hidden = !result;
      if (this.answer.dataset.key === key) return;
      this.answer.dataset.key = key;
      if (!result) return;
      this.answer.replaceChildren(
        el("p", { class: "ss-sentence" }, result.sentence),
        numbers(result.arms, result.n),
        el("p", { class: "ss-muted" }, `Accuracy on the test photos, which nothing else has touched (n = ${result.n} over ${result.folds} fold${result.folds === 1 ? "" : "s"}; whiskers: 95 % interval). ` +
          `${result.counts?.real} real and ${result.counts?.synthetic} synthetic images, ${result.counts?.kept} kept.`),
        el("p", { class: "ss-next" }, result.next || ""),
        el("div", { class: "ss-buttons" },
          el("button", { type: "button", class: "ss-button strong", onclick: () => go("evaluate") }, "Look closer at the numbers"),
          el("button", { type: "button", class: "ss-button", onclick: () => go("review") }, "Review the images"),
          el("button", { type: "button", class: "ss-button", onclick: () => go("export") }, "Export")));
    }
  }
  // Loss over steps: every value faintly, a smoothed line, and the loss on the fixed probe set, which does not jitter.
  class CurveBox {
    constructor() {
      this.title = el("h3");
      this.lines = svg("svg", { class: "ss-curve", viewBox: "0 0 320 120", preserveAspectRatio: "none", role: "img" });
      this.words = el("div", { class: "ss-muted ss-number" });
      this.root = el("div", { class: "ss-curvebox", hidden: true }, this.title, this.lines, this.words);
    }
    draw(curves, name, total) {
      const points = curves.loss || [], probe = curves.probe_loss || [];
      this.root.hidden = points.length < 2;
      if (this.root.hidden) return;
      text(this.title, `Loss: ${name}`);
      const smooth = smoothed(points, 0.85), all = [...smooth, ...probe].map((p) => p[1]);
      const low = Math.min(...all), high = Math.max(...all), end = Math.max(total, points.at(-1)[0]);
      const line = (some) => some.map(([x, y]) => `${(320 * x / end).toFixed(1)},${(114 - 108 * (y - low) / Math.max(1e-9, high - low)).toFixed(1)}`).join(" ");
      this.lines.replaceChildren(
        svg("polyline", { points: line(clamped(points, low, high)), class: "ss-curve-raw" }),
        svg("polyline", { points: line(smooth), class: "ss-curve-loss" }), svg("polyline", { points: line(probe), class: "ss-curve-probe" }));
      const fixed = probe.length ? ` · on the fixed probe set ${probe[0][1].toPrecision(3)} → ${probe.at(-1)[1].toPrecision(3)}` : "";
      text(this.words, `loss ${smooth.at(-1)[1].toPrecision(3)} (smoothed)${fixed}`);
      this.lines.setAttribute("aria-label", this.words.textContent);
    }
  }
  const smoothed = (points, weight) => {
    let last = points[0][1];
    return points.map(([x, y]) => { last = weight * last + (1 - weight) * y; return [x, last]; });
  };
  const clamped = (points, low, high) => points.map(([x, y]) => [x, Math.min(high, Math.max(low, y))]);

  const numbers = (arms, n) => {
    const box = el("div", { class: "ss-numbers" });
    for (const arm of arms) {
      const track = el("div", { class: "ss-track", role: "img", "aria-label": `${arm.words}: ${percent(arm.value)}, 95 % interval ${percent(arm.low)} to ${percent(arm.high)}, n = ${n} test images` },
        el("i", { class: "ss-fill", style: `width:${100 * arm.value}%` }),
        el("i", { class: "ss-whisker", style: `left:${100 * arm.low}%;width:${100 * Math.max(0, arm.high - arm.low)}%` }));
      box.append(el("div", { class: "ss-arm", "data-arm": arm.arm, title: arm.help },
        el("span", { class: "ss-arm-name" }, arm.words), track,
        el("b", { class: "ss-number" }, percent(arm.value)),
        el("span", { class: "ss-muted ss-number" }, `${percent(arm.low)} – ${percent(arm.high)}`)));
    }
    return box;
  };

  // ---- the newest run of a kind: what Adapt and Sample show beside their forms

  class Latest extends Part {
    build() {
      this.nothing = [...this.children];
      this.card = el("div", { class: "ss-card", hidden: true });
      this.badge = el("span", { class: "ss-state", role: "status", "aria-live": "polite" });
      this.buttons = el("span", { class: "ss-buttons" });
      this.far = el("p", { class: "ss-number ss-muted" });
      this.meter = el("progress", { max: 100, value: 0, style: "width:100%", "aria-label": "progress" });
      this.error = el("div", { class: "ss-badline", role: "alert" });
      this.pictures = el("div", { class: "ss-newest" });
      this.curveBox = new CurveBox();
      this.card.append(el("div", { class: "ss-live-head" }, this.name = el("h3"), el("div", { class: "ss-live-right" }, this.badge, this.buttons)),
        this.far, this.meter, this.error, this.pictures, this.curveBox.root);
      this.append(this.card);
    }
    async draw() {
      if (this.offsetParent === null || this.busy) return;
      this.busy = true;
      try {
        const runs = await (await fetch(`${BASE}/runs?limit=100`)).json(), found = runs.find((run) => run.kind.startsWith(this.getAttribute("kind")));
        this.card.hidden = !found;
        for (const one of this.nothing) one.hidden = !!found;
        if (found) this.fill(await (await fetch(`${BASE}/runs/${encodeURIComponent(found.run)}`)).json());
      } catch { /* the bar says that the server is away */ } finally { this.busy = false; }
    }
    fill(run) {
      this.dataset.run = run.run; this.dataset.state = run.state;
      text(this.name, run.kind_words);
      text(this.badge, run.state_words); this.badge.dataset.state = run.state;
      const working = ["running", "stopping"].includes(run.state), speed = run.rate ? ` · ${rate(run.rate, run.unit)}` : "", left = run.left ? ` · about ${duration(run.left)} left` : "";
      text(this.far, run.total ? progressWords(run) + speed + left : "");
      this.meter.hidden = !working;
      this.meter.value = run.total ? 100 * run.done / run.total : 0;
      this.error.hidden = !run.error; text(this.error, run.error || "");
      const key = run.run + run.state, path = `/runs/${encodeURIComponent(run.run)}`;
      if (this.key !== key) {
        this.key = key;
        this.buttons.replaceChildren(...[
          ["queued", "running"].includes(run.state) ? act("Stop", `${path}/stop`) : null,
          ["stopped", "failed", "lost"].includes(run.state) ? act("Resume", `${path}/resume`, "strong") : null,
          run.state === "done" && run.kind.startsWith("sample") ? el("button", { type: "button", class: "ss-button", onclick: () => go("review") }, "Review these") : null,
          run.state === "done" && run.kind.startsWith("adapt") ? el("button", { type: "button", class: "ss-button", onclick: () => go("sample") }, "Make images with it") : null].filter(Boolean));
      }
      const shown = run.images.map((one) => one.digest).join();
      if (this.pictures.dataset.key !== shown) {
        this.pictures.dataset.key = shown;
        this.pictures.replaceChildren(...run.images.map((one) => el("img", { src: `${BASE}/thumbs/${one.digest}`, alt: one.label, title: `${one.label}\n${one.prompt}`, loading: "lazy" })));
      }
      this.curveBox.draw(run.curves, run.kind_words, run.total);
    }
  }

  // ---- times in the reader's zone

  class When extends HTMLElement {
    connectedCallback() {
      const at = new Date(this.getAttribute("at"));
      if (!isNaN(at)) { this.textContent = at.toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }); this.title = at.toString(); }
    }
  }

  // ---- the place: which tab, kept in the address

  const tabs = () => [...document.querySelectorAll("#ss-tabs > .tab-wrapper button[role=tab], #ss-tabs > .tab-container button[role=tab], #ss-tabs button[role=tab]")];
  const idOf = (button) => (button.dataset.tabId || button.id || "").replace(/-button$/, "").replace(/^ss-tab-/, "") || button.textContent.trim().toLowerCase();
  const go = (id) => { const button = tabs().find((one) => idOf(one) === id); if (button) button.click(); };
  const remember = (id, replace) => {
    const wanted = query();
    if (wanted.get("tab") === id || (!wanted.get("tab") && id === "start")) return;
    wanted.set("tab", id);
    history[replace ? "replaceState" : "pushState"](null, "", `${location.pathname}?${wanted}`);
  };
  let restoring = false;
  const restore = () => {
    const id = query().get("tab");
    if (!id) return;
    const until = Date.now() + 15000;
    const look = () => {
      if (!tabs().length) { if (Date.now() < until) setTimeout(look, 50); return; }
      // Gradio may still be mounting: ask until the tab is the chosen one.
      const button = tabs().find((one) => idOf(one) === id);
      if (button && button.getAttribute("aria-selected") !== "true") {
        restoring = true; button.click(); restoring = false;
        if (Date.now() < until) setTimeout(look, 150);
      }
    };
    look();
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#ss-tabs button[role=tab]");
    if (!button) return;
    const id = idOf(button);
    if (!restoring) remember(id, false);
    window.dispatchEvent(new CustomEvent("studio:tab", { detail: id }));
  }, true);
  addEventListener("popstate", () => { restoring = true; go(query().get("tab") || "start"); restoring = false; });

  window.studio = { BASE, leaveRun, flash, query, remember, progressWords, rate, el, svg, text, post, act, say, go, poke, duration, percent, numbers, Part, get state() { return state; } };
  customElements.define("studio-bar", Bar);
  customElements.define("studio-live", Panel);
  customElements.define("studio-latest", Latest);
  customElements.define("studio-time", When);
  window.addEventListener("studio:state", () => {
    const name = document.querySelector("#ss-project-name");
    if (name && state) text(name, state.project === "default" ? "" : state.project);
  });
  restore();
  poll();
})();
