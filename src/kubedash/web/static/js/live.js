// The page hears of changes to what it shows and reads itself again. A message is a hint,
// never the data. Nothing is listened to while the page is hidden; a lost line is taken up
// again with growing pauses.
import { refresh } from "./htmx.js";

const CALM = 400;
const LONGEST = 60_000;
const number = new Intl.NumberFormat("en");

let source;
let failures = 0;
let retry;
let pending;

function topics() {
  return (document.getElementById("main")?.dataset.live ?? "").split(/\s+/).filter(Boolean);
}

// As kubedash/web/formatting.py writes them.
function bytes(value) {
  let [amount, unit] = [value, 0];
  for (; Number(amount.toFixed(1)) >= 1000 && unit < 5; unit += 1) amount /= 1000;
  return unit === 0 ? `${value} B` : `${amount.toFixed(1)} ${["", "KB", "MB", "GB", "TB", "PB"][unit]}`;
}

function amounts({ done, total, unit }) {
  const write = unit === "bytes" ? bytes : number.format;
  const noun = unit && unit !== "bytes" ? ` ${unit}` : "";
  return total ? ` ${write(done)} of ${write(total)}${noun}` : "";
}

// False where the page has to be read again: nothing is counted, or the job is not at work any more.
function showProgress(text) {
  let job;
  try {
    job = JSON.parse(text);
  } catch {
    return false;
  }
  const progress = job?.progress;
  if (typeof progress?.done !== "number" || job.state !== "running") return false;
  for (const element of document.querySelectorAll("#main [data-progress]")) {
    element.textContent = `${element.dataset.progress || "syncing…"}${amounts(progress)}`;
  }
  for (const element of document.querySelectorAll("#main [data-doing]")) element.textContent = progress.doing ?? "";
  for (const bar of document.querySelectorAll("#main progress")) {
    if (progress.total) bar.max = progress.total;
    bar.value = progress.done;
  }
  return document.querySelector("#main [data-progress]") !== null;
}

// Many messages in a row are one look. Whoever is filling in a form is not disturbed.
function look() {
  clearTimeout(pending);
  pending = setTimeout(() => {
    if (document.activeElement?.closest("#main form") || document.querySelector("dialog[open]")) return look();
    const kept = document.querySelector("#main [data-row].current")?.id;
    return refresh()?.then(() => kept && document.getElementById(kept)?.classList.add("current"));
  }, CALM);
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = undefined;
}

function listen() {
  close();
  const wanted = topics();
  if (wanted.length === 0 || document.hidden) return;
  const query = new URLSearchParams(wanted.map((topic) => ["topic", topic]));
  source = new EventSource(`${document.body.dataset.base}/-/live?${query}`);
  source.addEventListener("open", () => {
    // What was missed meanwhile is caught up with: a job that the page names may have ended before this line was open.
    if (failures > 0 || wanted.some((topic) => topic.startsWith("job:"))) look();
    failures = 0;
  });
  source.addEventListener("change", (event) => showProgress(event.data) || look());
  source.addEventListener("error", () => {
    failures += 1;
    close();
    retry = setTimeout(listen, Math.min(LONGEST, 1000 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 2));
  });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    failures = Math.max(failures, 1);
    close();
  } else listen();
});
addEventListener("pagehide", close);
addEventListener("pageshow", listen);
