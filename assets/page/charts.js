// What is drawn of numbers: loss over steps with a smoothing that the reader sets, and the four accuracies.
(() => {
  "use strict";
  const boot = () => {
    const { el, svg, text, percent } = window.studio;
    const KEY = "synthstudio.smoothing";
    const kept = () => { const found = Number(localStorage.getItem(KEY) ?? 0.85); return found >= 0 && found <= 0.98 ? found : 0.85; };

    // Every value faintly, a smoothed line, and the loss on the fixed probe set, which does not jitter.
    class CurveBox {
      constructor() {
        this.title = el("h3");
        this.lines = svg("svg", { class: "ss-curve", viewBox: "0 0 320 120", preserveAspectRatio: "none", role: "img" });
        this.words = el("span", { class: "ss-muted ss-number" });
        this.slider = el("input", { type: "range", min: 0, max: 0.98, step: 0.01, value: kept(), "aria-label": "smoothing of the loss" });
        this.slider.addEventListener("input", () => {
          try { localStorage.setItem(KEY, this.slider.value); } catch { /* without storage it holds until the reload */ }
          if (this.last) this.draw(...this.last);
        });
        this.root = el("div", { class: "ss-curvebox", hidden: true }, this.title, this.lines,
          el("div", { class: "ss-curve-foot" }, this.words, el("label", { class: "ss-muted" }, "Smoothing ", this.slider)));
      }
      draw(curves, name, total) {
        this.last = [curves, name, total];
        const points = curves.loss || [], probe = curves.probe_loss || [];
        this.root.hidden = points.length < 2;
        if (this.root.hidden) return;
        const looks = JSON.stringify([name, total, points.length, points.at(-1), probe.length, this.slider.value]);
        if (looks === this.looks) return;
        this.looks = looks;
        text(this.title, `Loss: ${name}`);
        const smooth = smoothed(points, Number(this.slider.value)), all = [...smooth, ...probe].map((p) => p[1]);
        const low = Math.min(...all), high = Math.max(...all), end = Math.max(total, points.at(-1)[0]);
        const line = (some) => some.map(([x, y]) => `${(320 * x / end).toFixed(1)},${(114 - 108 * (y - low) / Math.max(1e-9, high - low)).toFixed(1)}`).join(" ");
        this.lines.replaceChildren(
          svg("polyline", { points: line(clamped(points, low, high)), class: "ss-curve-raw" }),
          svg("polyline", { points: line(smooth), class: "ss-curve-loss" }), svg("polyline", { points: line(probe), class: "ss-curve-probe" }));
        const fixed = probe.length ? ` · on the fixed probe set (shots) ${probe[0][1].toPrecision(3)} → ${probe.at(-1)[1].toPrecision(3)}` : "";
        text(this.words, `loss ${smooth.at(-1)[1].toPrecision(3)}${fixed}`);
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
    Object.assign(window.studio, { CurveBox, numbers });
  };
  if (window.studio) boot(); else addEventListener("DOMContentLoaded", boot, { once: true });
})();
