// Light, dark or as the system says. The server draws the choice into <html data-theme>,
// so the first paint is right; here it changes without a new page.
import { remember } from "./cookies.js";

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-theme-choice]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const theme = event.submitter.value;
  remember("kubedash_theme", theme);
  document.documentElement.dataset.theme = theme;
  for (const button of form.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
});
