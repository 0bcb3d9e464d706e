// Settings from an image: a PNG that was exported here says how it was made, and the form is filled with that.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el } = window.studio;
    // `fill` hands what the server read to the form. Mounted again, the place is made again.
    const fromImage = (place, fill) => {
      const said = el("p", { class: "ss-muted", role: "status", id: "ss-fromimage-said" });
      const file = el("input", {
        type: "file",
        accept: "image/*",
        hidden: true,
        id: "ss-fromimage-file",
        "aria-label": "image with settings",
      });
      const read = async (one) => {
        if (!one) return;
        said.textContent = "Reading…";
        try {
          const answer = await fetch(`${BASE}/uploads/settings`, { method: "POST", body: one }),
            found = await answer.json().catch(() => ({}));
          said.textContent = answer.ok
            ? ["The form is filled with the settings of this image.", ...found.said].join(" ")
            : found.detail || `The server answered ${answer.status}.`;
          if (answer.ok) fill({ kind: found.kind, fields: found.fields });
        } catch {
          said.textContent = "The server cannot be reached. Choose the image again.";
        }
        file.value = "";
      };
      file.addEventListener("change", () => read(file.files[0]));
      const zone = el(
        "div",
        { class: "ss-imagezone", role: "group", "aria-label": "Settings from an image" },
        el("button", { type: "button", class: "ss-button", onclick: () => file.click() }, "Settings from an image"),
        el("span", { class: "ss-muted" }, "or drop a PNG here that was exported from SynthStudio"),
        file,
        said,
      );
      zone.addEventListener("dragover", (event) => {
        event.preventDefault();
        zone.classList.add("over");
      });
      zone.addEventListener("dragleave", () => zone.classList.remove("over"));
      zone.addEventListener("drop", (event) => {
        event.preventDefault();
        zone.classList.remove("over");
        read(event.dataTransfer.files[0]);
      });
      place.replaceChildren(zone);
    };
    Object.assign(window.studio, { fromImage });
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
