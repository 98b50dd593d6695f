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

function showProgress(text) {
  let progress;
  try {
    progress = JSON.parse(text)?.progress;
  } catch {
    return false;
  }
  if (typeof progress?.done !== "number") return false;
  const count = progress.total ? ` ${number.format(progress.done)} of ${number.format(progress.total)}` : "";
  for (const element of document.querySelectorAll("#main [data-progress]")) {
    element.textContent = `syncing…${count}`;
  }
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
    // What was missed meanwhile is caught up with.
    if (failures > 0) look();
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
