// Light, dark or as the system says: kept in this browser. Gradio reads it from the body's class `dark`, which it sets
// itself when it mounts and when the system changes; what was chosen here is put back each time.
(() => {
  "use strict";
  const KEY = "synthstudio.theme",
    CHOICES = [
      ["system", "System"],
      ["light", "Light"],
      ["dark", "Dark"],
    ];
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = () => {
    try {
      return localStorage.getItem(KEY) || "system";
    } catch {
      return "system";
    } // storage is off: as the system says
  };
  const named = () => new URLSearchParams(location.search).get("__theme"); // gradio's own way to ask, in the address
  let chosen = ["light", "dark"].includes(named()) ? named() : kept();
  const apply = () => {
    const dark = chosen === "dark" || (chosen !== "light" && system.matches);
    if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
  };
  const choose = (value) => {
    chosen = value;
    try {
      localStorage.setItem(KEY, value);
    } catch {
      /* storage is off: it holds until the page is left */
    }
    const wanted = new URLSearchParams(location.search);
    if (wanted.has("__theme")) {
      wanted.delete("__theme");
      history.replaceState(null, "", `${location.pathname}?${wanted}`);
    }
    apply();
  };
  class Theme extends HTMLElement {
    connectedCallback() {
      const { el } = window.studio,
        box = el(
          "select",
          { class: "ss-select", id: "ss-theme" },
          ...CHOICES.map(([value, words]) => el("option", { value }, words)),
        );
      box.value = chosen;
      box.addEventListener("change", () => choose(box.value));
      this.replaceChildren(el("label", { for: "ss-theme" }, "Theme"), box);
    }
  }
  const boot = () => {
    new MutationObserver(apply).observe(document.body, { attributeFilter: ["class"] });
    system.addEventListener("change", apply);
    apply();
    customElements.define("studio-theme", Theme);
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
