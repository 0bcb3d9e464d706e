// What is drawn of numbers: loss over steps with a smoothing that the reader sets, and the four accuracies.
(() => {
  "use strict";
  const boot = () => {
    const { el, svg, text, percent } = window.studio;
    const KEY = "synthstudio.smoothing";
    const kept = () => {
      const found = Number(localStorage.getItem(KEY) ?? 0.85);
      return found >= 0 && found <= 0.98 ? found : 0.85;
    };

    // Round values from low to high, about so many.
    const ticks = (low, high, count) => {
      if (!(high > low)) return [low];
      const rough = (high - low) / count,
        power = 10 ** Math.floor(Math.log10(rough)),
        step = [1, 2, 5, 10].find((one) => one * power >= rough * 0.999) * power;
      const found = [];
      for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++)
        found.push(Number((n * step).toPrecision(6)));
      return found;
    };
    const short = (value) =>
      Math.abs(value) >= 10000 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)));

    // Lines over axes with ticks, as wide as their place: text is never stretched.
    const LEFT = 48,
      RIGHT = 10,
      TOP = 8,
      BOTTOM = 34,
      TALL = 170;
    class Plot {
      constructor() {
        this.root = svg("svg", { class: "ss-curve", role: "img" });
        new ResizeObserver(() => {
          if (this.last && this.root.clientWidth !== this.wide) this.draw(...this.last);
        }).observe(this.root);
      }
      /** lines: [{points: [[x, y], …], kind: class}], the first ones below; values outside low and high are clamped. */
      draw(lines, { low, high, end, x, y, words }) {
        this.last = [lines, { low, high, end, x, y, words }];
        const wide = (this.wide = this.root.clientWidth || 320),
          across = wide - LEFT - RIGHT,
          down = TALL - TOP - BOTTOM;
        if (!(high > low)) {
          high += Math.abs(high) * 0.1 || 1;
          low -= Math.abs(low) * 0.1 || 1;
        }
        const px = (value) => LEFT + (across * value) / Math.max(1, end),
          py = (value) => TOP + down * (1 - (Math.min(high, Math.max(low, value)) - low) / (high - low));
        const label = (at, text, more = {}) => {
          const made = svg("text", { ...at, ...more });
          made.textContent = text;
          return made;
        };
        this.root.setAttribute("viewBox", `0 0 ${wide} ${TALL}`);
        this.root.setAttribute("aria-label", words);
        this.root.replaceChildren(
          ...ticks(low, high, 5).flatMap((value) => [
            svg("line", { x1: LEFT, x2: wide - RIGHT, y1: py(value), y2: py(value), class: "ss-gridline" }),
            label({ x: LEFT - 6, y: py(value) + 4 }, short(value), { "text-anchor": "end", class: "ss-tick" }),
          ]),
          ...ticks(0, end, Math.max(2, Math.floor(across / 80))).flatMap((value) => [
            svg("line", { x1: px(value), x2: px(value), y1: TOP + down, y2: TOP + down + 4, class: "ss-axis" }),
            label({ x: px(value), y: TOP + down + 16 }, short(value), { "text-anchor": "middle", class: "ss-tick" }),
          ]),
          svg("line", { x1: LEFT, x2: wide - RIGHT, y1: TOP + down, y2: TOP + down, class: "ss-axis" }),
          svg("line", { x1: LEFT, x2: LEFT, y1: TOP, y2: TOP + down, class: "ss-axis" }),
          label({ x: LEFT + across / 2, y: TALL - 3 }, x, { "text-anchor": "middle", class: "ss-axis-name" }),
          label({ x: 12, y: TOP + down / 2 }, y, {
            "text-anchor": "middle",
            class: "ss-axis-name",
            transform: `rotate(-90 12 ${TOP + down / 2})`,
          }),
          ...lines.map(({ points, kind }) =>
            svg("polyline", {
              class: kind,
              points: points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" "),
            }),
          ),
        );
      }
    }

    // How much curves are smoothed: one choice for all of them, kept in this browser.
    const smoothing = (redraw) => {
      const slider = el("input", {
        type: "range",
        min: 0,
        max: 0.98,
        step: 0.01,
        value: kept(),
        "aria-label": "smoothing of the loss",
      });
      slider.addEventListener("input", () => {
        try {
          localStorage.setItem(KEY, slider.value);
        } catch {
          /* without storage it holds until the reload */
        }
        redraw();
      });
      return slider;
    };

    // Every value faintly, a smoothed line, and the loss on the fixed probe set, which does not jitter.
    class CurveBox {
      constructor() {
        this.title = el("h3");
        this.plot = new Plot();
        this.words = el("span", { class: "ss-muted ss-number" });
        this.slider = smoothing(() => {
          if (this.last) this.draw(...this.last);
        });
        this.root = el(
          "div",
          { class: "ss-curvebox", hidden: true },
          this.title,
          this.plot.root,
          el(
            "div",
            { class: "ss-curve-foot" },
            this.words,
            el("label", { class: "ss-muted" }, "Smoothing ", this.slider),
          ),
        );
      }
      draw(curves, name, total, unit = "steps") {
        this.last = [curves, name, total, unit];
        const points = curves.loss || [],
          probe = curves.probe_loss || [];
        this.root.hidden = points.length < 2;
        if (this.root.hidden) return;
        const looks = JSON.stringify([name, total, points.length, points.at(-1), probe.length, this.slider.value]);
        if (looks === this.looks) return;
        this.looks = looks;
        text(this.title, `Loss: ${name}`);
        const smooth = smoothed(points, Number(this.slider.value)),
          all = [...smooth, ...probe].map((p) => p[1]);
        const fixed = probe.length
          ? ` · on the fixed probe set (shots) ${probe[0][1].toPrecision(3)} → ${probe.at(-1)[1].toPrecision(3)}`
          : "";
        text(this.words, `loss ${smooth.at(-1)[1].toPrecision(3)}${fixed}`);
        this.plot.draw(
          [
            { points, kind: "ss-curve-raw" },
            { points: smooth, kind: "ss-curve-loss" },
            { points: probe, kind: "ss-curve-probe" },
          ],
          {
            low: Math.min(...all),
            high: Math.max(...all),
            end: Math.max(total, points.at(-1)[0]),
            x: unit || "steps",
            y: "loss",
            words: this.words.textContent,
          },
        );
      }
    }
    const smoothed = (points, weight) => {
      let last = points[0][1];
      return points.map(([x, y]) => {
        last = weight * last + (1 - weight) * y;
        return [x, last];
      });
    };

    // The losses of several runs over each other, each with its name.
    class CompareBox {
      constructor() {
        this.plot = new Plot();
        this.names = el("ul", { class: "ss-legend" });
        this.slider = smoothing(() => this.draw(this.runs));
        this.root = el(
          "div",
          { class: "ss-card", hidden: true, role: "region", "aria-label": "losses compared" },
          el("h3", {}, "Losses compared"),
          this.plot.root,
          this.names,
          el(
            "div",
            { class: "ss-curve-foot" },
            el("span", { class: "ss-muted" }, "Losses of different methods or data do not share a scale."),
            el("label", { class: "ss-muted" }, "Smoothing ", this.slider),
          ),
        );
      }
      draw(runs) {
        this.runs = runs;
        const shown = runs.filter((run) => (run.curves.loss || []).length > 1);
        this.root.hidden = runs.length < 2;
        const lines = shown.map((run) => ({
          run,
          points: smoothed(run.curves.loss, Number(this.slider.value)),
          kind: `ss-line ss-line-${runs.indexOf(run)}`,
        }));
        this.names.replaceChildren(
          ...runs.map((run, place) =>
            el(
              "li",
              {},
              el("i", { class: `ss-swatch ss-line-${place}`, "aria-hidden": "true" }),
              `${run.name || run.kind_words} `,
              el(
                "span",
                { class: "ss-muted ss-number" },
                shown.includes(run)
                  ? `loss ${lines
                      .find((line) => line.run === run)
                      .points.at(-1)[1]
                      .toPrecision(3)} after ${run.curves.loss.at(-1)[0]} ${run.unit}`
                  : "no loss yet",
              ),
            ),
          ),
        );
        if (this.root.hidden || !lines.length) return;
        const all = lines.flatMap((line) => line.points.map((p) => p[1])),
          units = [...new Set(shown.map((run) => run.unit || "steps"))];
        this.plot.draw(lines, {
          low: Math.min(...all),
          high: Math.max(...all),
          end: Math.max(...lines.map((line) => line.points.at(-1)[0])),
          x: units.join(" or "),
          y: "loss",
          words: `losses of ${shown.map((run) => run.name || run.kind_words).join(", ")}`,
        });
      }
    }

    const numbers = (arms, n) => {
      const box = el("div", { class: "ss-numbers" });
      for (const arm of arms) {
        const track = el(
          "div",
          {
            class: "ss-track",
            role: "img",
            "aria-label":
              `${arm.words}: ${percent(arm.value)}, 95 % interval ` +
              `${percent(arm.low)} to ${percent(arm.high)}, n = ${n} test images`,
          },
          el("i", { class: "ss-fill", style: `width:${100 * arm.value}%` }),
          el("i", {
            class: "ss-whisker",
            style: `left:${100 * arm.low}%;width:${100 * Math.max(0, arm.high - arm.low)}%`,
          }),
        );
        box.append(
          el(
            "div",
            { class: "ss-arm", "data-arm": arm.arm, title: arm.help },
            el("span", { class: "ss-arm-name" }, arm.words),
            track,
            el("b", { class: "ss-number" }, percent(arm.value)),
            el("span", { class: "ss-muted ss-number" }, `${percent(arm.low)} – ${percent(arm.high)}`),
          ),
        );
      }
      return box;
    };
    Object.assign(window.studio, { CurveBox, CompareBox, Plot, ticks, numbers });
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
