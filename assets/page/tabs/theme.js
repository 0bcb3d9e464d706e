// Light, dark or as the system says: kept in this browser. Gradio reads it from the body's class `dark`, which it sets
// itself when it mounts and when the system changes; what was chosen here is put back each time.
import { keep, query } from "../shared/address.js";
import { h } from "../shared/dom.js";
import { recall, remember } from "../shared/storage.js";

const KEY = "synthstudio.theme",
  NAMED = "__theme", // gradio's own way to ask, in the address
  CHOICES = [
    ["system", "System"],
    ["light", "Light"],
    ["dark", "Dark"],
  ];
const system = matchMedia("(prefers-color-scheme: dark)");
const named = query().get(NAMED);
let chosen = ["light", "dark"].includes(named) ? named : recall(KEY, "system");

function apply() {
  const dark = chosen === "dark" || (chosen !== "light" && system.matches);
  if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
}

function choose(value) {
  chosen = value;
  remember(KEY, value);
  if (query().has(NAMED)) keep({ [NAMED]: null });
  apply();
}

class Theme extends HTMLElement {
  connectedCallback() {
    const options = CHOICES.map(([value, words]) => h("option", { value }, words));
    const onchange = (event) => choose(event.currentTarget.value);
    this.replaceChildren(
      h("label", { for: "ss-theme" }, "Theme"),
      h("select", { class: "ss-select", id: "ss-theme", value: chosen, onchange }, options),
    );
  }
}

new MutationObserver(apply).observe(document.body, { attributeFilter: ["class"] });
system.addEventListener("change", apply);
apply();
customElements.define("studio-theme", Theme);
