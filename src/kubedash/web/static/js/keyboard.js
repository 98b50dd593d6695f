// Keys for those who keep their hands there. None of them deletes, none works while typing.
import { copyFrom } from "./copy.js";
import { openPalette } from "./palette.js";
import { pullCommand } from "./pull.js";

const CHORD = 1200;
let going = 0;

function isTyping(target) {
  return target.closest?.("input, textarea, select, [contenteditable]") !== null;
}

function rows() {
  return [...document.querySelectorAll("#main [data-row]")].filter((row) => row.offsetParent !== null);
}

function currentRow() {
  return document.querySelector("#main [data-row].current");
}

// What a row opens: the link that says so, else its first.
function mainLink(row) {
  return row?.querySelector("a[data-main]") ?? row?.querySelector("a");
}

function walk(step) {
  const all = rows();
  if (all.length === 0) return false;
  const at = all.indexOf(currentRow());
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step))];
  currentRow()?.classList.remove("current");
  next.classList.add("current");
  next.scrollIntoView({ block: "nearest" });
  mainLink(next)?.focus({ preventScroll: true });
  return true;
}

function search() {
  const field = document.querySelector("[data-search]");
  field?.focus();
  field?.select();
  return Boolean(field);
}

function copyPull() {
  const found = pullCommand(currentRow());
  if (found) copyFrom(found.button, found.text);
  return Boolean(found);
}

function help() {
  const box = document.getElementById("keys");
  box?.showModal();
  return Boolean(box);
}

function go(letter) {
  const link = document.querySelector(`[data-go="${CSS.escape(letter)}"]`);
  if (link) location.assign(link.href);
  return Boolean(link);
}

function open() {
  const link = mainLink(currentRow());
  if (!link || document.activeElement === link) return false;
  link.click();
  return true;
}

const KEYS = {
  "/": search,
  "?": help,
  j: () => walk(1),
  k: () => walk(-1),
  ArrowDown: () => currentRow() !== null && walk(1),
  ArrowUp: () => currentRow() !== null && walk(-1),
  Enter: open,
  y: copyPull,
  g: () => {
    going = Date.now();
    return true;
  },
};

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    if (openPalette()) event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && document.activeElement?.matches("[data-search]")) document.activeElement.blur();
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const chord = Date.now() - going < CHORD;
  going = 0;
  const done = chord ? go(event.key) : Object.hasOwn(KEYS, event.key) && KEYS[event.key]();
  if (done) event.preventDefault();
});
