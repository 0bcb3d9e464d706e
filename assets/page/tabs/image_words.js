// What can be done with an image that was read, and what to say of one made again. Needs no browser.

/** Which buttons there are, and why the image cannot be made again, if it is ours and cannot. */
export function offers({ kind, form, lacking, prompt }) {
  const ours = kind !== null;
  return {
    seed: ours || form.seed !== undefined,
    prompt: ours || Boolean(prompt),
    again: ours && !lacking.length,
    why: ours && lacking.length ? `It cannot be made again here. ${lacking.join(" ")}` : "",
  };
}

/** How far the image that is made again is. */
export function verdict({ state, error, digest, same }) {
  if (state === "queued") return "Waiting for its turn…";
  if (state === "running" || state === "stopping") return "Being made…";
  if (state !== "done") return error || `The run is ${state}. See it under Runs.`;
  if (!digest) return "It was made, but its file is gone. Ask again.";
  return same ? "Made again: the very same bytes." : "Made again, but its bytes differ: other software, device or batch.";
}
