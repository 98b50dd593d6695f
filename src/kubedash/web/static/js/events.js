// New lines of a timeline as they happen: the server sends each as it would stand in the page, here
// it finds its place. Nothing is listened to while the page is hidden.
import { say } from "./copy.js";
import { insert } from "./event_rows.js";
import { refresh } from "./htmx.js";

const CALM = 5_000;
const WORDS = { live: "live", paused: "paused", lost: "no connection", off: "connecting…" };

let source;
let last;
let paused = false;
let held = [];
let looking;
let missed = false;
let retry;

const box = () => document.querySelector("[data-stream]");
const mark = () => document.querySelector("[data-live-mark]");

function show(state) {
  const found = mark();
  if (!found) return;
  found.dataset.state = state;
  found.querySelector("[data-live-word]").textContent = WORDS[state];
  const button = found.querySelector("[data-live-pause]");
  button.setAttribute("aria-pressed", String(paused));
  const many = missed ? "many" : held.length;
  button.textContent = !paused ? "Pause" : many ? `Resume, ${many} new` : "Resume";
}

// What came in a flood is not in the page until it is read again; who reads or types is not disturbed.
function lookAgain() {
  missed = true;
  looking ??= setTimeout(() => {
    looking = undefined;
    if (paused) return;
    if (document.querySelector(".event-filter[open]")) lookAgain();
    else catchUp();
  }, CALM);
}

function catchUp() {
  missed = false;
  refresh();
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = undefined;
}

function listen() {
  close();
  const stream = box()?.dataset.stream;
  if (!stream || document.hidden) return;
  const address = new URL(stream, location.href);
  if (last !== undefined) address.searchParams.set("after", last);
  source = new EventSource(address);
  source.addEventListener("open", () => show(paused ? "paused" : "live"));
  source.addEventListener("error", () => {
    show("lost");
    // The browser tries again by itself, except after a refusal: then the page says why, or asks to sign in.
    if (source?.readyState !== EventSource.CLOSED) return;
    retry = setTimeout(listen, 15_000 * (1 + Math.random()));
    if (!paused) refresh();
  });
  source.addEventListener("behind", (event) => {
    last = event.lastEventId;
    lookAgain();
    if (paused) show("paused");
  });
  source.addEventListener("line", (event) => {
    last = event.lastEventId;
    const line = JSON.parse(event.data);
    if (paused) held.push(line);
    else insert(box(), line);
    if (paused) show("paused");
  });
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-live-pause]")) return;
  paused = !paused;
  for (const line of paused ? [] : held.splice(0)) insert(box(), line);
  if (!paused && missed) catchUp();
  show(paused ? "paused" : "live");
  say(paused ? "Paused" : "Live");
});
document.addEventListener("visibilitychange", () => (document.hidden ? close() : listen()));
addEventListener("pagehide", close);
addEventListener("pageshow", listen);
