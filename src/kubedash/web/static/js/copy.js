// Copy buttons. The clipboard needs https or localhost; elsewhere the old command does it.
const SHOWN = 1500;

function copyTheOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  area.setAttribute("aria-hidden", "true");
  // Inside an open dialog nothing outside of it can be selected.
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text);
  }
}

let voice;

export function say(text) {
  if (!voice?.isConnected) {
    voice = document.createElement("p");
    voice.className = "visually-hidden";
    voice.setAttribute("role", "status");
    document.body.append(voice);
  }
  voice.textContent = text;
}

export async function copyFrom(button, text) {
  const done = await copy(text);
  say(done ? "Copied" : "Copying is not allowed here");
  button?.classList.toggle("copied", done);
  const title = button?.dataset.title ?? button?.title;
  if (button) {
    button.dataset.title = title;
    button.title = done ? "Copied" : "Copying is not allowed here";
    setTimeout(() => {
      button.classList.remove("copied");
      button.title = title;
    }, SHOWN);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copyFrom(button, button.dataset.copy);
});
