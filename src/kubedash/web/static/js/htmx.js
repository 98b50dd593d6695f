// htmx for swaps. What a person has opened stays open when a page is refreshed under them.
import htmx from "htmx.org/dist/htmx.esm.js";

htmx.config.includeIndicatorCSS = false;
htmx.config.morphIgnore.push("open", "data-kept");

// Forms that htmx sends carry the token too (it leaves the fields out of hx-delete).
document.addEventListener("htmx:config:request", (event) => {
  const token = document.querySelector('meta[name="csrf-token"]')?.content;
  const request = event.detail?.ctx?.request;
  if (token && request?.headers) request.headers["X-CSRF-Token"] = token;
});

// Reads this page again and changes only what differs.
export function refresh() {
  return htmx.ajax("GET", location.pathname + location.search, {
    source: "#main",
    target: "#main",
    select: "#main",
    swap: "outerMorph",
  });
}
