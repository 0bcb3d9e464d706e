// Short words to the reader, and buttons that tell the server something.
import { button, h } from "./dom.js";
import { Away, Refused, post } from "./server.js";

let timer = 0;

/** A sentence for some seconds: bad news, or a note. */
export function say(message, kind = "bad") {
  const box =
    document.querySelector("#ss-toast") || document.body.appendChild(h("div", { id: "ss-toast", role: "alert" }));
  box.textContent = message;
  box.dataset.kind = kind;
  box.classList.add("shown");
  clearTimeout(timer);
  timer = setTimeout(() => box.classList.remove("shown"), 7000);
}

/** The sentence of a Refused or an Away; every other error is a mistake of ours and goes on. */
export function wordsOf(error) {
  if (error instanceof Refused || error instanceof Away) return error.message;
  throw error;
}

/** Tell the server something; what it refuses is said, and null returned. */
export async function tell(path, body) {
  try {
    return await post(path, body);
  } catch (error) {
    say(wordsOf(error));
    return null;
  }
}

/** A button that tells the server something. It works once per press: it is disabled until the server has answered. */
export const act = (label, path, kind = "") =>
  button(
    label,
    async ({ currentTarget }) => {
      currentTarget.disabled = true;
      const found = await tell(path);
      if (found?.said) say(found.said, "note");
      currentTarget.disabled = false;
    },
    kind,
  );
