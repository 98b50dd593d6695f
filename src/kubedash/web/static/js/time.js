// Keeps "12 s ago" true while the page is open, and puts the local time into the title.
// The words are those of kubedash/web/formatting.py.
const DAY = 86400;
const STEPS = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [DAY, 3600, "h"],
  [2 * DAY, DAY, ""],
  [14 * DAY, DAY, "day"],
  [60.88 * DAY, 7 * DAY, "week"],
  [730.5 * DAY, 30.44 * DAY, "month"],
  [Infinity, 365.25 * DAY, "year"],
];

export function ago(seconds) {
  const distance = Math.abs(seconds);
  if (distance < 1) return "now";
  const [, step, unit] = STEPS.find(([limit]) => distance < limit);
  if (!unit) return seconds > 0 ? "yesterday" : "tomorrow";
  const number = Math.floor(distance / step);
  const short = unit === "s" || unit === "min" || unit === "h";
  const text = `${number} ${unit}${short || number === 1 ? "" : "s"}`;
  return seconds > 0 ? `${text} ago` : `in ${text}`;
}

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function tell() {
  const now = Date.now();
  for (const element of document.querySelectorAll("time[datetime]:not([data-exact])")) {
    const when = Date.parse(element.dateTime);
    if (Number.isNaN(when)) continue;
    const text = ago((now - when) / 1000);
    if (element.textContent !== text) element.textContent = text;
    if (element.dataset.told !== element.dateTime) {
      element.title = `${local.format(when)} · ${new Date(when).toISOString().slice(0, 19).replace("T", " ")} UTC`;
      element.dataset.told = element.dateTime;
    }
  }
}

tell();
setInterval(() => document.hidden || tell(), 5000);
document.addEventListener("visibilitychange", () => document.hidden || tell());
document.addEventListener("htmx:after:swap", tell);
