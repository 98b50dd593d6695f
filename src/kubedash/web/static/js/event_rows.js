// Where a new line of a timeline belongs: its day, its time, and the line of which it is part.
const MOST = 300;
const NEAR = 600_000;

function dayOf(box, day, title) {
  const days = box.querySelector("[data-days]");
  const found = [...days.querySelectorAll("[data-day]")];
  const same = found.find((section) => section.dataset.day === day);
  if (same) return same.querySelector("ol");
  days.querySelector(".empty")?.remove();
  const section = document.createElement("section");
  const heading = document.createElement("h2");
  const list = document.createElement("ol");
  Object.assign(section, { className: "day" }).dataset.day = day;
  heading.textContent = title;
  list.className = "events";
  section.append(heading, list);
  days.insertBefore(section, found.find((other) => other.dataset.day < day) ?? null);
  return list;
}

// Pulls of one client that follow each other are one line, as they are when the page is read again.
function foldInto(list, row) {
  if (!row.dataset.fold) return;
  const same = (other) => other.dataset.fold === row.dataset.fold;
  const ends = (other) => !other.dataset.fold && other.dataset.place === row.dataset.place;
  const old = [...list.children].find((other) => same(other) || ends(other));
  if (!old || !same(old) || Math.abs(Date.parse(row.dataset.at) - Date.parse(old.dataset.at)) > NEAR) return;
  const count = Number(old.dataset.count) + 1;
  const pulls = Number(old.dataset.pulls) + Number(row.dataset.pulls);
  Object.assign(row.dataset, { count, pulls });
  const told = pulls ? `${pulls} ${pulls === 1 ? "pull" : "pulls"}, ` : "";
  row.querySelector("[data-requests]").textContent = `${told}${count} requests`;
  const pulled = !("asked" in old.dataset && "asked" in row.dataset);
  if ("tagged" in old.dataset && !("tagged" in row.dataset)) {
    row.querySelector("[data-said]").replaceWith(old.querySelector("[data-said]"));
    row.dataset.tagged = "";
  }
  // Who asks for a digest and then pulls has pulled.
  if (pulled) {
    delete row.dataset.asked;
    row.querySelector("[data-verb]").textContent = "pulled";
    row.querySelector('[data-mark="only asked"]')?.remove();
  }
  // What is part of a pull stands beside it now.
  if (pulls) row.querySelector('[data-mark="part of a pull"]')?.remove();
  old.remove();
}

export function insert(box, { html, day, title }) {
  const row = new DOMParser().parseFromString(html, "text/html").querySelector("li");
  if (!row || document.getElementById(row.id)) return;
  const list = dayOf(box, day, title);
  foldInto(list, row);
  const before = [...list.children].find((other) => other.dataset.at <= row.dataset.at);
  list.insertBefore(document.adoptNode(row), before ?? null);
  row.classList.add("glow");
  for (const old of [...box.querySelectorAll(".event")].slice(MOST)) old.remove();
}
