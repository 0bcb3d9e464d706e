// Numbers, times and sizes in words.

/** 1234567 as 1,234,567. */
export const number = (value) => Number(value).toLocaleString("en-US");

/** 1 image, 2 images, 1,797 images. */
export const many = (count, one, more = `${one}s`) => `${number(count)} ${count === 1 ? one : more}`;

/** A share of one as 12.3 %. */
export const percent = (value) => `${(100 * value).toFixed(1)} %`;

/** A difference of shares in points, with its sign. */
export const points = (value) => `${value >= 0 ? "+" : "−"}${Math.abs(100 * value).toFixed(1)}`;

/** Seconds as 12 s, 3:05 min or 2:07 h. */
export function duration(seconds) {
  const all = Math.max(0, Math.round(seconds));
  if (all < 60) return `${all} s`;
  const hours = Math.floor(all / 3600),
    minutes = Math.floor((all % 3600) / 60);
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)} h` : `${minutes}:${two(all % 60)} min`;
}

/** How fast: per second, or per minute where that is slow. */
export const rate = (value, unit) =>
  value >= 1 ? `${value.toFixed(1)} ${unit}/s` : `${(60 * value).toFixed(1)} ${unit}/min`;

/** Bytes as kB, MB or GB; from `mega` bytes on they are MB. */
export function room(bytes, mega = 1e6) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= mega) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}

/** A moment, in seconds since 1970, in the reader's zone: day, month, hour, minute. */
export const when = (seconds) => moment(new Date(1000 * seconds));
export const moment = (date) =>
  date.toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

// ---- how far a run is

/** What is done of all there is to do, or the run's state where that is not known. */
export const progressWords = (run) =>
  run.total
    ? `${run.done} / ${run.total} ${run.total === 1 ? run.unit.replace(/s$/, "") : run.unit}`
    : run.state_words || run.state;

/** The same with speed and time left, where these are known. */
export const progressLine = (run, about = "") =>
  progressWords(run) +
  (run.rate ? ` · ${rate(run.rate, run.unit)}` : "") +
  (run.left ? ` · ${about}${duration(run.left)} left` : "");

/** Done of 100, for a meter. */
export const share = (run) => (run.total ? (100 * run.done) / run.total : 0);
