// The one door between gradio and the page's own code. What a gradio event runs in the browser is a function of this
// module, called from Python by `scripts.call(name, …)`; nothing hangs on `window`. What goes the other way, from the page
// to gradio, is a DOM event (`studio:lists`, `studio:use_image`, `studio:use_settings`), see `scripts.hears`.
import { flash, go, keep, openProject as toProject, remember } from "./shared/address.js";
import { answered as answeredForm } from "./shared/answers.js";
import { say } from "./shared/say.js";
import { poke, watch } from "./shared/state.js";

export { listed } from "./shared/choices.js";
export { loaded, rememberForm, restoreForm } from "./shared/forms.js";
export { go, remember };

/** What happens when a press was not refused, by the name that a form gives. */
const DONE = {
  asked: poke,
  recipe: () => watch(null),
  distilled: () => {
    keep({ distil: null });
    poke();
  },
  trained: () => {
    poke();
    document.querySelector("studio-training").scrollIntoView({ behavior: "smooth" });
  },
  opened: () => toProject(document.querySelector("#ss-project input").value),
};

/** After an event of a form: `said` is what the server wrote into its place; `done` (for a press) is one of `DONE`. */
export const answered = (form, done, said) => answeredForm(form, said, done && DONE[done]);

/** The values of the form on Start that a newcomer begins with. */
export function begin(values) {
  flash("#ss-run");
  say("The form below is filled in. Press Run to start.", "note");
  return values;
}
