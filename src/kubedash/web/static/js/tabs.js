// Of tabs that do not all fit, the one that is open is in sight (newer browsers begin there by themselves), and
// so is the one that has the focus: half of it under the edge is not enough.
function show() {
  for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
    const { parentElement: row } = tab;
    if (row.scrollWidth <= row.clientWidth) continue;
    const [inside, outside] = [tab.getBoundingClientRect(), row.getBoundingClientRect()];
    row.scrollLeft += inside.left + inside.width / 2 - outside.left - outside.width / 2;
  }
}

addEventListener("pageshow", show);
document.addEventListener("focusin", ({ target }) => {
  if (target.matches(".tabs > .tab")) target.scrollIntoView({ block: "nearest", inline: "nearest" });
});
document.addEventListener("htmx:after:swap", show);
