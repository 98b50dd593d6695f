// Choosing rows of a list: one by one, a range with Shift, or all on the page. The boxes are
// those of the form #selection, which works without this.
const chosen = new Set();
let last = null;
let place = location.pathname;

function boxes() {
  return [...document.querySelectorAll('input[type="checkbox"][form="selection"][name="tag"]')];
}

function show() {
  const bar = document.getElementById("selection");
  if (!bar) return;
  const all = boxes();
  bar.hidden = chosen.size === 0;
  const words = bar.querySelector("[data-selected]");
  if (words) words.textContent = `${chosen.size} selected`;
  // What is chosen with exactly two is chosen with no other number.
  for (const button of bar.querySelectorAll("[data-needs]")) button.disabled = chosen.size !== Number(button.dataset.needs);
  const every = document.querySelector("[data-select-all]");
  if (every) {
    every.checked = all.length > 0 && all.every((box) => box.checked);
    every.indeterminate = !every.checked && all.some((box) => box.checked);
  }
}

function set(box, on) {
  box.checked = on;
  if (on) chosen.add(box.value);
  else chosen.delete(box.value);
}

// The page is drawn again under the reader: what was chosen stays so, what is gone is chosen no more.
function restore() {
  if (place !== location.pathname) {
    place = location.pathname;
    chosen.clear();
  }
  const all = boxes();
  const there = new Set(all.map((box) => box.value));
  for (const name of chosen) if (!there.has(name)) chosen.delete(name);
  for (const box of all) box.checked = chosen.has(box.value);
  show();
}

document.addEventListener("click", (event) => {
  const target = event.target;
  if (target.matches?.("[data-select-none]")) {
    for (const box of boxes()) set(box, false);
    return show();
  }
  if (target.matches?.("[data-select-all]")) {
    for (const box of boxes()) set(box, target.checked);
    return show();
  }
  const all = boxes();
  const at = all.indexOf(target);
  if (at < 0) return;
  const from = event.shiftKey && last !== null ? all.findIndex((box) => box.value === last) : at;
  const [first, end] = from < 0 ? [at, at] : [Math.min(at, from), Math.max(at, from)];
  for (const box of all.slice(first, end + 1)) set(box, target.checked);
  last = target.value;
  show();
});

// The browser may bring ticks back with the page.
function begin() {
  for (const box of boxes()) set(box, box.checked);
  show();
}

begin();
addEventListener("pageshow", begin);
document.addEventListener("htmx:after:swap", restore);
