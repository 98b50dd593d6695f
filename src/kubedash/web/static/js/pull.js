// The pull command: the tool is chosen once and remembered everywhere.
import { remember } from "./cookies.js";
import { copyFrom } from "./copy.js";

function shown(box) {
  return box.querySelector("code[data-tool]:not([hidden])");
}

document.addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-pull-tool]")) return;
  const tool = event.target.value;
  remember("kubedash_tool", tool);
  for (const code of event.target.closest("[data-pull]").querySelectorAll("code[data-tool]")) {
    code.hidden = code.dataset.tool !== tool;
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy-pull]");
  if (button) copyFrom(button, shown(button.closest("[data-pull]")).textContent);
});

// For the key `y`: the row's own command, else the page's.
export function pullCommand(row) {
  const own = row?.querySelector("[data-copy][data-pull-command]");
  if (own) return { button: own, text: own.dataset.copy };
  const box = document.querySelector("[data-pull]");
  if (!box) return null;
  return { button: box.querySelector("[data-copy-pull]"), text: shown(box).textContent };
}
