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
      try { const found = await post(path); if (found?.said) say(found.said, "note"); } catch { say("The server cannot be reached. It was not done."); }
      button.disabled = false;
    });
    return button;
  };
  const say = (message, kind = "bad") => {
    const box = document.querySelector("#ss-toast") || document.body.appendChild(el("div", { id: "ss-toast", role: "alert" }));
    box.textContent = message;
    box.dataset.kind = kind;
    box.classList.add("shown");
    clearTimeout(say.timer);
    say.timer = setTimeout(() => box.classList.remove("shown"), 7000);
  };

  // A form's values stay in this browser. Until they were put back nothing is kept: mounting a form changes it too.
  const returned = new Set();
  const restoreForm = (name, fields) => {
    returned.add(name);
    try {
      const values = JSON.parse(localStorage.getItem(`synthstudio.${name}`));
      return Array.isArray(values) && values.length === fields ? values : [];
    } catch { return []; }  // storage is off, or was written by an earlier version
  };
  const rememberForm = (name, values) => {
    if (!returned.has(name)) return;
    try { localStorage.setItem(`synthstudio.${name}`, JSON.stringify(values)); } catch { /* full or off: nothing else is lost */ }
  };

  // The page is ready when every form has its values: the reader's own after a reload, else what there is to choose.
  const FORMS = ["recipe", "adapt", "sample", "distil"], filled = new Set();
  const loaded = (name) => {
    filled.add(name);
    if (FORMS.every((one) => filled.has(one))) document.documentElement.classList.add("ss-ready");
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

  window.studio = { BASE, leaveRun, flash, query, remember, progressWords, rate, el, svg, text, post, act, say, go, poke, loaded, restoreForm, rememberForm, duration, percent, Part, get state() { return state; } };
  customElements.define("studio-bar", Bar);
  customElements.define("studio-time", When);
  window.addEventListener("studio:state", () => {
    const name = document.querySelector("#ss-project-name");
    if (name && state) text(name, state.project === "default" ? "" : state.project);
  });
  restore();
  poll();
})();
